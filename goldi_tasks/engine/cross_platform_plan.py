"""Base images for another processor than this machine's: unpacked here, and only their packages' scripts emulated.

Emulated from end to end mmdebstrap took 344 s. Two scripts take most of what is left, and what they generate is the
same for every processor: the certificates' directory (two thirds of it) and Python's bytecode. Both come from the
native image.
"""

import re

from goldi_tasks.command import Command
from goldi_tasks.engine import distribution

# dpkg of this machine unpacks for the other one; the image's own dpkg runs the scripts, so it wrote all that it knows.
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
# Where they differ, the packages that the two generate from do.
SAME = ("./etc/ca-certificates.conf",)


def script() -> str:
    """The shell script that unpacks and configures what mmdebstrap has downloaded."""
    return CONFIGURE.replace("@excluded@", " ".join(f"'{option}'" for option in distribution.path_excludes()))


def mmdebstrap(image: distribution.Image, folder: str, architecture: str) -> Command:
    """As plan/engine.mmdebstrap, for another `architecture`; `configure.sh`, the script, is in `folder` too."""
    native = distribution.mmdebstrap(image, folder)
    at = native.argv.index("mmdebstrap") + 1
    hook = next(index for index, word in enumerate(native.argv) if word.startswith("--customize-hook"))
    # This variant has hooks of one kind only.
    swapped = {"--variant=apt": "--variant=extract"}
    before = [swapped.get(word, word) for word in native.argv[at:hook]]
    after = [word.replace("--customize-hook", "--extract-hook") for word in native.argv[hook:]]
    # Whether it can be run was looked at before.
    own = (f"--arch={architecture}", "--skip=check/qemu", "--include=?essential", "--include=apt")
    configure = f'--extract-hook=sh {folder}/configure.sh "$1"'
    return Command((*native.argv[:at], *own, *before, configure, *after), native.env)


def is_generated(name: str) -> bool:
    """Whether what lies at `name` in a layer is of what scripts generate."""
    return bool(_GENERATED.match(name))


def is_for_all(name: str) -> bool:
    """Whether what is generated at `name` is of use to every processor: one file of Python's tells them apart."""
    return is_generated(name) and "/_sysconfigdata_" not in name
