#!/bin/sh
# Runs on the host before a dev container starts, for VS Code and the command alike, and makes .local/ beside it, which
# git ignores: links to what devcontainer.json mounts, and git's configuration for the inside.
set -eu

# `inv devcontainer.up` has this done while it looks at the image: "early" leaves the image to it, "done" all.
when=${GOLDI_INITIALIZE:-}
[ "$when" != "done" ] || exit 0

here=$(CDPATH='' cd -- "$(dirname -- "$0")" && pwd)
project=${here%/*}
docker=$project/infrastructure/docker
links=$here/.local
image=${GOLDI_IMAGE:-goldilocks}:devcontainer

refuse() {
    echo "goldi: $1. $2." >&2
    exit 1
}

# A mount source cannot be quoted there.
case $project in
*,*) refuse "a dev container cannot be in $project, whose name has a comma" 'Rename the directory' ;;
esac
"$docker/setup-cache.sh" --directories >/dev/null
# shellcheck source=/dev/null
. "$docker/.env"
key=$GOLDI_PROJECT_KEY

mkdir -p "$links/venv" "$links/no-git" 2>/dev/null || refuse "$links cannot be made" 'Remove what is there'
[ -e "$project/.venv" ] || mkdir "$project/.venv"
# A cache may have a root of its own.
lead() { ln -sfn "${2:-$GOLDI_CACHE_ROOT}/$1${3:-}" "$links/$1"; }
lead pip-cache "${GOLDI_CACHE_ROOT_PIP_CACHE:-}"
lead npm-cache "${GOLDI_CACHE_ROOT_NPM_CACHE:-}"
lead uv-cache "${GOLDI_CACHE_ROOT_UV_CACHE:-}"
lead pre-commit-cache "${GOLDI_CACHE_ROOT_PRE_COMMIT_CACHE:-}"
lead goldilocks-venv "${GOLDI_CACHE_ROOT_GOLDILOCKS_VENV:-}" "/$key"
lead goldilocks-node-modules "${GOLDI_CACHE_ROOT_GOLDILOCKS_NODE_MODULES:-}" "/$key"
lead goldilocks-bytecode "${GOLDI_CACHE_ROOT_GOLDILOCKS_BYTECODE:-}" "/$key"
lead mypy-cache "${GOLDI_CACHE_ROOT_MYPY_CACHE:-}" "/$key"
lead pytest-cache "${GOLDI_CACHE_ROOT_PYTEST_CACHE:-}" "/$key"
lead ruff-cache "${GOLDI_CACHE_ROOT_RUFF_CACHE:-}" "/$key"
ln -sf /opt/venv/bin /opt/venv/lib /opt/venv/include /opt/venv/pyvenv.cfg "$links/venv"

# What the host's network wants, for `online` inside: `inv devcontainer.up` writes it, and it is nobody else's to read.
[ -e "$links/build_env" ] || (umask 077 && : >"$links/build_env")
ca=
for file in "${GOLDI_CA_BUNDLE:-}" "${SSL_CERT_FILE:-}" "${REQUESTS_CA_BUNDLE:-}" "${NODE_EXTRA_CA_CERTS:-}"; do
    if [ -z "$ca" ] && [ -f "$file" ]; then ca=$file; fi
done
ln -sf "${ca:-/dev/null}" "$links/ca_bundle"

# Git's own directory, and what it has to know inside: that it may trust this directory, and who commits.
ours() { git -C "$project" -c "safe.directory=$project" -c "safe.directory=$GOLDI_PROJECT" "$@" 2>/dev/null; }
top=$(ours rev-parse --show-toplevel || true)
common=$links/no-git
rm -f "$links/git-config.new"
if [ "$top" = "$GOLDI_PROJECT" ]; then
    common=$(ours rev-parse --path-format=absolute --git-common-dir)
    for tree in "$project" "$GOLDI_PROJECT"; do
        git config --file "$links/git-config.new" --add safe.directory "$tree"
    done
    for what in user.name user.email; do
        if said=$(ours config --get "$what"); then git config --file "$links/git-config.new" "$what" "$said"; fi
    done
elif [ -n "$top" ]; then
    echo "goldi: $project is a part of the repository $top, which is not mounted: use git outside." >&2
fi
ln -sfn "$common" "$links/git"
printf '%s\n' "$common" >"$links/git-directory"
[ -e "$links/git-config.new" ] || : >"$links/git-config.new"
mv -f "$links/git-config.new" "$links/git-config"
if [ -n "${SUDO_UID:-}" ] && [ "$(id -u)" = 0 ]; then chown -R -h "$SUDO_UID:${SUDO_GID:-0}" "$links" "$project/.venv"; fi

[ "$when" != "early" ] || exit 0
docker image inspect "$image" >/dev/null 2>&1 && exit 0
docker version >/dev/null 2>&1 || refuse 'no Docker engine answers' "Start it, or run ${GOLDI_COMMAND:-./goldi} engine.up"
if [ -x "$docker/scripts/compose.sh" ]; then
    "$docker/scripts/compose.sh" development build
else
    refuse "the image $image is not there" "Run ${GOLDI_COMMAND:-./goldi} build.devcontainer"
fi
