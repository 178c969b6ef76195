#!/bin/sh
# install-lock uv|pip LOCK VENV: a virtual environment with what LOCK names, hashes checked, bytecode compiled.
set -eu
installer=$1 lock=$2 venv=$3
# The build's cache mounts, whatever a stage below may have set for its users.
export UV_CACHE_DIR=/root/.cache/uv PIP_CACHE_DIR=/root/.cache/pip
unset PYTHONPYCACHEPREFIX

python3 -m venv --without-pip "$venv"
case "$installer" in
uv) /opt/build/bin/uv pip install --python "$venv/bin/python" --require-hashes -r "$lock" ;;
# Bytecode is our own last step, from a cache; pip would compile all of it every time.
pip) /opt/build/bin/pip --python "$venv/bin/python" install --no-compile --require-hashes -r "$lock" ;;
*)
    echo "INSTALLER is '$installer': it must be uv or pip" >&2
    exit 2
    ;;
esac
"$venv/bin/python" /opt/build/bytecode.py "$venv/lib"
