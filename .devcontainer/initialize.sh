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
# A mount point that is missing would be made by the engine, as root.
if [ -f "$project/frontend/package.json" ]; then set -- "$project/frontend/node_modules"; else set --; fi
"$docker/setup-cache.sh" --directories "$links" "$links/venv" "$links/no-git" "$project/.venv" "$@" >/dev/null
# It will hold logins. Who has made it may be another user.
chmod go= "$links" 2>/dev/null || :
# shellcheck source=/dev/null
. "$docker/.env"
key=$GOLDI_PROJECT_KEY

# Many may run at once: what is made gets its name at one instant, as it stays, under sudo the caller's.
draft=$links/.new-$$
mkdir -m 0700 "$draft" 2>/dev/null || refuse "$draft cannot be made" 'Remove what is there'
trap 'rm -rf "$draft"' EXIT
trap 'exit 130' INT
trap 'exit 143' HUP TERM
own() {
    if [ -n "${SUDO_UID:-}" ] && [ "$(id -u)" = 0 ]; then
        chown -h "$SUDO_UID:${SUDO_GID:-0}" "$1"
    fi
}
# link NAME TARGET; where the name leads to a directory GNU's mv puts it there with -T, BSD's with -h, another in two steps.
link() {
    [ "$(readlink "$links/$1" || true)" != "$2" ] || return 0
    ln -s "$2" "$draft/link"
    own "$draft/link"
    if ! mv -fT "$draft/link" "$links/$1" 2>/dev/null && ! mv -fh "$draft/link" "$links/$1" 2>/dev/null; then
        rm -f "$draft/link"
        # Another start may have made it by now.
        [ "$(readlink "$links/$1" || true)" != "$2" ] || return 0
        ln -sfn "$2" "$links/$1" 2>/dev/null || refuse "$links/$1 cannot be made" 'Remove what is there'
        own "$links/$1"
    fi
}
# keep NAME: puts what was written in its place, if it is new.
keep() {
    cmp -s "$draft/$1" "$links/$1" || { own "$draft/$1" && mv -f "$draft/$1" "$links/$1"; }
}

# A cache may have a root of its own.
lead() { link "$1" "${2:-$GOLDI_CACHE_ROOT}/$1${3:-}"; }
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
# Where node's packages are mounted inside; where the app has no front end, not in the project.
node_modules=/cache/node-modules
for app in "/${GOLDI_APP:-examples/goldilocks}" /examples/goldilocks ''; do
    if [ -f "$project${app%/.}/frontend/package.json" ]; then
        node_modules=$project${app%/.}/frontend/node_modules
        break
    fi
done
link node_modules "$node_modules"
for name in bin lib include pyvenv.cfg; do link "venv/$name" "/opt/venv/$name"; done

# What the host's network wants, for `online` inside: `inv devcontainer.up` writes it, and it is nobody else's to read.
if [ ! -e "$links/build_env" ]; then
    (umask 077 && : >"$draft/build_env")
    own "$draft/build_env"
    # Never in the place of what another start has written by now.
    mv -n "$draft/build_env" "$links/build_env" || :
fi
ca=
for file in "${GOLDI_CA_BUNDLE:-}" "${SSL_CERT_FILE:-}" "${REQUESTS_CA_BUNDLE:-}" "${NODE_EXTRA_CA_CERTS:-}"; do
    if [ -z "$ca" ] && [ -f "$file" ]; then ca=$file; fi
done
link ca_bundle "${ca:-/dev/null}"

# Git's own directory, and what it has to know inside: that it may trust this directory, and who commits.
ours() { git -C "$project" -c "safe.directory=$project" -c "safe.directory=$GOLDI_PROJECT" "$@" 2>/dev/null; }
top=$(ours rev-parse --show-toplevel || true)
common=$links/no-git
: >"$draft/git-config"
if [ "$top" = "$GOLDI_PROJECT" ]; then
    common=$(ours rev-parse --path-format=absolute --git-common-dir)
    for tree in "$project" "$GOLDI_PROJECT"; do
        git config --file "$draft/git-config" --add safe.directory "$tree"
    done
    for what in user.name user.email; do
        if said=$(ours config --get "$what"); then git config --file "$draft/git-config" "$what" "$said"; fi
    done
elif [ -n "$top" ]; then
    echo "goldi: $project is a part of the repository $top, which is not mounted: use git outside." >&2
fi
link git "$common"
printf '%s\n' "$common" >"$draft/git-directory"
keep git-directory
keep git-config

[ "$when" != "early" ] || exit 0
docker image inspect "$image" >/dev/null 2>&1 && exit 0
docker version >/dev/null 2>&1 || refuse 'no Docker engine answers' "Start it, or run ${GOLDI_COMMAND:-./goldi} engine.up"
if [ -x "$docker/scripts/compose.sh" ]; then
    "$docker/scripts/compose.sh" development build
else
    refuse "the image $image is not there" "Run ${GOLDI_COMMAND:-./goldi} build.devcontainer"
fi
