"""Plan base images for another processor: unpacked on this one, and only their packages' scripts emulated.

Emulated from end to end mmdebstrap took 344 s. Two scripts take most of the remaining time, and what they generate is
the same for every processor: the certificates' directory (two thirds of it) and Python's bytecode. Both come from the
native image.
"""

import re

from goldi_tasks.command import Command
from goldi_tasks.engine import distribution

# This machine's dpkg unpacks for the other processor; the image's own dpkg runs the packages' scripts.
CONFIGURE = """\
set -eu
root=$1
unset TMPDIR APT_CONFIG
export DEBIAN_FRONTEND=noninteractive DEBCONF_NONINTERACTIVE_SEEN=true LC_ALL=C
certificates=$root/usr/sbin/update-ca-certificates
compiler=$(echo "$root"/usr/lib/python3.*/py_compile.py)
printf '#!/bin/sh\\nexit 101\\n' >"$root/usr/sbin/policy-rc.d"
chmod 755 "$root/usr/sbin/policy-rc.d"
dpkg --root="$root" --force-unsafe-io --force-architecture --force-depends --force-overwrite @excluded@ \\
    --unpack "$root"/var/cache/apt/archives/*.deb
mv "$certificates" "$certificates.kept"
mv "$compiler" "$compiler.kept"
printf '#!/bin/sh\\n' >"$certificates"
chmod 755 "$certificates"
echo 'import sys
sys.stdin.read() if "-" in sys.argv else None' >"$compiler"
chroot "$root" dpkg --force-unsafe-io --configure --pending
mv "$certificates.kept" "$certificates"
mv "$compiler.kept" "$compiler"
rm "$root/usr/sbin/policy-rc.d"
rm -rf "$root"/usr/lib/python3*/__pycache__ "$root"/usr/share/python3/__pycache__
"""
_GENERATED = re.compile(r"\./etc/ssl/certs/.|.*/__pycache__(/|$)")
# If these files differ, the generated files of the native image do not fit.
SAME = ("./etc/ca-certificates.conf",)


def script() -> str:
    """Return the shell script that unpacks and configures what mmdebstrap has downloaded."""
    return CONFIGURE.replace("@excluded@", " ".join(f"'{option}'" for option in distribution.path_excludes()))


def mmdebstrap(image: distribution.BaseImage, folder: str, architecture: str) -> Command:
    """Return distribution.mmdebstrap for another `architecture`; `folder` must have `configure.sh`, too."""
    native = distribution.mmdebstrap(image, folder)
    start = native.argv.index("mmdebstrap") + 1
    hook = next(index for index, argument in enumerate(native.argv) if argument.startswith("--customize-hook"))
    # --variant=extract runs extract hooks only.
    replacements = {"--variant=apt": "--variant=extract"}
    options = [replacements.get(argument, argument) for argument in native.argv[start:hook]]
    hooks = [argument.replace("--customize-hook", "--extract-hook") for argument in native.argv[hook:]]
    # mmdebstrap's check of the emulator is skipped: it was checked before.
    own_options = (f"--arch={architecture}", "--skip=check/qemu", "--include=?essential", "--include=apt")
    configure = f'--extract-hook=sh {folder}/configure.sh "$1"'
    return Command((*native.argv[:start], *own_options, *options, configure, *hooks), native.env)


def is_generated(name: str) -> bool:
    """Return whether scripts generate the file `name` of a layer."""
    return bool(_GENERATED.match(name))


def is_for_all(name: str) -> bool:
    """Return whether the generated file `name` is the same for every processor; one of Python's files is not."""
    return is_generated(name) and "/_sysconfigdata_" not in name
