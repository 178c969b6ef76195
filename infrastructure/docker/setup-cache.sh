#!/bin/sh
# The one-time set-up: every cache directory, and what Docker needs to use them. It may be run again at
# any time, with containers running, and under sudo (the directories are then the caller's).
# Only a POSIX shell and, for the second half, docker are needed. `inv cache.setup` does the same from
# Python; goldi_tasks/paths.py is the table that a test holds this file against.
set -eu

root=${GOLDI_CACHE_ROOT:-/tmp}
owner=$(id -u) group=$(id -g)
# Under sudo the caches are for who called it.
if [ "$owner" = 0 ]; then owner=${SUDO_UID:-0} group=${SUDO_GID:-0}; fi
builder=goldilocks-builder

caches='
.buildx-cache-builder .buildx-cache-tools .buildx-cache-runtime .buildx-cache-production .buildx-cache-devcontainer
goldilocks-venv goldilocks-node-modules goldilocks-bytecode
pip-cache npm-cache uv-cache pre-commit-cache mypy-cache pytest-cache ruff-cache'

refuse() {
    echo "setup-cache: $1. $2." >&2
    exit 13
}

# Never mkdir -p, chmod or chown on what is there: in /tmp somebody else may have been first.
make() {
    remedy='Remove it, or choose another root with GOLDI_CACHE_ROOT'
    if [ -h "$1" ]; then
        refuse "$1 is a symbolic link" "$remedy"
    elif [ ! -e "$1" ]; then
        mkdir -m 0700 "$1" 2>/dev/null || refuse "$1 cannot be made" 'Choose another root with GOLDI_CACHE_ROOT'
        [ "$owner" = "$(id -u)" ] || chown -h "$owner:$group" "$1"
    elif [ ! -d "$1" ]; then
        refuse "$1 is not a directory" "$remedy"
    fi
    # The numeric listing is the one way to a file's owner and mode that POSIX has.
    # shellcheck disable=SC2012
    listing=$(ls -ldn "$1")
    case $listing in
    ?????w* | ????????w*) refuse "others may write to $1" "Run chmod go-w '$1', or choose another root" ;;
    esac
    # shellcheck disable=SC2086
    set -- "$1" $listing
    [ "$4" = "$owner" ] || refuse "$1 belongs to user $4" "$remedy"
}

tag() {
    # What was there before us, with something in it, stays unmarked and is never cleared.
    [ -z "$(ls -A "$1")" ] || return 0
    printf '%s\n%s\n' 'Signature: 8a477f597d28d172789f06886806bc55' \
        '# This directory is a cache of goldi_tasks. It may be deleted at any time.' >"$1/CACHEDIR.TAG"
    [ "$owner" = "$(id -u)" ] || chown -h "$owner:$group" "$1/CACHEDIR.TAG"
}

case $root in
/*) ;;
*) refuse "GOLDI_CACHE_ROOT must be an absolute path, not '$root'" 'Begin it with /' ;;
esac
if [ ! -d "$root" ]; then
    (umask 077 && mkdir -p "$root") 2>/dev/null || refuse "$root cannot be made" 'Choose another root with GOLDI_CACHE_ROOT'
    [ "$owner" = "$(id -u)" ] || chown -h "$owner:$group" "$root"
fi
for cache in $caches; do
    make "$root/$cache"
    tag "$root/$cache"
done
echo "cache directories are ready in $root"

# What POSIX df cannot tell, Linux does.
if [ "$(stat -f -c %T "$root" 2>/dev/null || true)" = tmpfs ]; then
    echo "$root is a tmpfs: caches there use memory and end with the next boot; set GOLDI_CACHE_ROOT to a disk"
fi

if ! docker buildx version >/dev/null 2>&1; then
    echo "docker has no buildx here: install docker-buildx, or run './goldi engine.up'"
elif ! status=$(docker info --format '{{.DriverStatus}}' 2>/dev/null); then
    echo "no Docker engine answers: start it, or run './goldi engine.up'"
elif docker buildx inspect "$builder" >/dev/null 2>&1; then
    echo "Docker is ready: $builder keeps the build caches"
else
    case $status in
    *io.containerd.snapshotter*) echo 'Docker is ready: the engine keeps the build caches' ;;
    *)
        # The classic image store cannot export a local cache; a builder of its own can (docker/buildx#701).
        if docker buildx create --name "$builder" --driver docker-container --bootstrap >/dev/null 2>&1; then
            echo "Docker is ready: created $builder, since this engine's image store exports no local cache"
        else
            docker buildx rm "$builder" >/dev/null 2>&1 || true
            echo "this engine exports no local cache and $builder could not be created: enable the containerd image store"
        fi
        ;;
    esac
fi
