#!/bin/sh
# install-lock uv|pip LOCK VENV: a virtual environment with what LOCK names, hashes checked, bytecode compiled.
# Where TARGETARCH is another processor than this one, it is one for that: of wheels alone, nothing of it is started.
set -eu
installer=$1 lock=$2 venv=$3
# The build's cache mounts, whatever a stage below may have set for its users.
export UV_CACHE_DIR=/root/.cache/uv PIP_CACHE_DIR=/root/.cache/pip
unset PYTHONPYCACHEPREFIX

foreign=
case "${TARGETARCH:-}" in
"" | "$(dpkg --print-architecture)") ;;
amd64) foreign=x86_64 ;;
arm64) foreign=aarch64 ;;
*) foreign=$TARGETARCH ;;
esac
if [ -n "$foreign" ]; then
    # The C library of the image, which is one of the same release; the newest that uv has a name for is 2.40.
    libc=$(getconf GNU_LIBC_VERSION | tr -dc '0-9.')
    minor=${libc#2.}
    [ "$minor" -le 40 ] || minor=40
    set -- --python-platform "$foreign-manylinux_2_$minor" --only-binary :all:
else
    set --
fi

python3 -m venv --without-pip "$venv"
case "$installer$foreign" in
uv*)
    if ! /opt/build/bin/uv pip install --python "$venv/bin/python" "$@" --require-hashes -r "$lock"; then
        [ -z "$foreign" ] || echo "GOLDI_INSTALL_ON=target installs on $TARGETARCH itself, for what has no wheel" >&2
        exit 1
    fi
    ;;
# Bytecode is our own last step, from a cache; pip would compile all of it every time.
pip) /opt/build/bin/pip --python "$venv/bin/python" install --no-compile --require-hashes -r "$lock" ;;
pip*)
    echo "pip installs for the processor that it runs on: set INSTALL_ON to target" >&2
    exit 2
    ;;
*)
    echo "INSTALLER is '$installer': it must be uv or pip" >&2
    exit 2
    ;;
esac
# The interpreter's release alone decides what bytecode is, see the stage `runtime`.
python3 /opt/build/bytecode.py "$venv/lib"
