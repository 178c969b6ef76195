#!/bin/sh
# The one-time set-up: every cache directory, what Docker needs to use them, and .env beside this file, where compose
# finds them. It may be run again at any time, with containers running, and under sudo (all is then the caller's).
# Only a POSIX shell and, for the last part, docker are needed; --directories leaves that part out. `inv cache.setup`
# does the same from Python; goldi_tasks/paths.py is the table that a test holds this file against.
set -eu

here=$(CDPATH='' cd -- "$(dirname -- "$0")" && pwd -P)
project=$(CDPATH='' cd -- "$here/../.." && pwd -P)
env=$here/.env

# told NAME DEFAULT: the environment's value, else the one that .env has from last time.
told() {
    eval "value=\${$1:-}"
    # shellcheck source=/dev/null
    if [ -z "$value" ] && [ -f "$env" ]; then value=$(. "$env" && eval "printf '%s\n' \"\${$1:-}\""); fi
    printf '%s\n' "${value:-$2}"
}

root=$(told GOLDI_CACHE_ROOT /tmp)
app=$(told GOLDI_APP examples/goldilocks)
owner=$(id -u) group=$(id -g)
# Under sudo the caches are for who called it.
if [ "$owner" = 0 ]; then owner=${SUDO_UID:-0} group=${SUDO_GID:-0}; fi
builder=goldilocks-builder

builds='.buildx-cache-builder .buildx-cache-tools .buildx-cache-runtime .buildx-cache-production .buildx-cache-devcontainer'
shared='pip-cache npm-cache uv-cache pre-commit-cache'
# These hold a directory for each project.
apart='goldilocks-venv goldilocks-node-modules goldilocks-bytecode mypy-cache pytest-cache ruff-cache'
anew=

refuse() {
    echo "setup-cache: $1. $2." >&2
    exit 13
}

give() {
    [ "$owner" = "$(id -u)" ] || chown -h "$owner:$group" "$1"
}

# Never mkdir -p, chmod or chown on what is there: in /tmp somebody else may have been first.
make() {
    remedy='Remove it, or choose another root with GOLDI_CACHE_ROOT'
    if [ -h "$1" ]; then
        refuse "$1 is a symbolic link" "$remedy"
    elif [ ! -e "$1" ]; then
        mkdir -m 0700 "$1" 2>/dev/null || refuse "$1 cannot be made" 'Choose another root with GOLDI_CACHE_ROOT'
        give "$1"
        anew=yes
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
    give "$1/CACHEDIR.TAG"
}

# `<name>-<8 hex digits of the path>`, as `project_key` in goldi_tasks/paths.py makes it.
project_key() {
    name=$(printf '%s' "${project##*/}" | LC_ALL=C tr '[:upper:]' '[:lower:]' |
        LC_ALL=C sed 's/[^a-z0-9._-]\{1,\}/-/g; s/^[-.]*//; s/[-.]*$//')
    if command -v sha256sum >/dev/null; then set -- sha256sum; else set -- shasum -a 256; fi
    printf '%s-%s\n' "${name:-project}" "$(printf '%s' "$project" | "$@" | cut -c1-8)"
}

# A line for .env that compose and a shell read alike.
line() {
    case $2 in
    *[!A-Za-z0-9_./:@-]*) ;;
    *) printf '%s=%s\n' "$1" "$2" && return ;;
    esac
    case $2 in
    *\'*) printf '%s="%s"\n' "$1" "$(printf '%s' "$2" | sed 's/[\\"$]/\\&/g')" ;;
    *) printf "%s='%s'\n" "$1" "$2" ;;
    esac
}

# What compose has to know of this machine and this checkout; other lines of the file stay.
write_env() {
    draft=$env.$$
    {
        if [ -f "$env" ]; then sed -E '/^GOLDI_(CACHE_ROOT|PROJECT|PROJECT_KEY|UID|GID)=/d' "$env"; fi
        line GOLDI_CACHE_ROOT "$root"
        line GOLDI_PROJECT "$project"
        line GOLDI_PROJECT_KEY "$key"
        line GOLDI_UID "$owner"
        line GOLDI_GID "$group"
    } >"$draft"
    # What did not change keeps its date: builds look at it.
    if cmp -s "$draft" "$env"; then rm -f "$draft"; else give "$draft" && mv "$draft" "$env"; fi
}

case $root in
/*) ;;
*) refuse "GOLDI_CACHE_ROOT must be an absolute path, not '$root'" 'Begin it with /' ;;
esac
if [ ! -d "$root" ]; then
    (umask 077 && mkdir -p "$root") 2>/dev/null || refuse "$root cannot be made" 'Choose another root with GOLDI_CACHE_ROOT'
    give "$root"
fi
key=$(project_key)
for cache in $builds $shared $apart; do
    make "$root/$cache"
    tag "$root/$cache"
done
for cache in $apart; do
    make "$root/$cache/$key"
done
# Where containers mount one of them; a mount point that is missing would be made by the engine, as root.
if [ -f "$project/$app/frontend/package.json" ] && [ ! -d "$project/$app/frontend/node_modules" ]; then
    mkdir "$project/$app/frontend/node_modules"
    give "$project/$app/frontend/node_modules"
fi
write_env
echo "cache directories are ready in $root"

# What POSIX df cannot tell, Linux does.
if [ "$(stat -f -c %T "$root" 2>/dev/null || true)" = tmpfs ]; then
    echo "$root is a tmpfs: caches there use memory and end with the next boot; set GOLDI_CACHE_ROOT to a disk"
fi

[ "${1:-}" != --directories ] || exit 0

# Containers that run still hold what was removed; stopped together and started again they mount what is new.
if [ -n "$anew" ] && ids=$(docker ps --quiet --filter "label=goldi.caches=$root" 2>/dev/null) && [ -n "$ids" ]; then
    # shellcheck disable=SC2086
    docker stop $ids >/dev/null && docker start $ids >/dev/null
    echo 'containers that used removed directories were started again'
fi
# Somebody may be at work in a dev container: that one is not stopped unasked.
if [ -n "$anew" ]; then
    for id in $(docker ps --quiet --filter "label=devcontainer.local_folder=$project" 2>/dev/null || true); do
        echo "the dev container still has removed directories: save your work, then run 'docker restart $id'"
    done
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
        # BuildKit's own rules would drop cache mounts with the layers.
        set --
        if [ -f "$here/buildkitd.toml" ]; then set -- --buildkitd-config "$here/buildkitd.toml"; fi
        if docker buildx create --name "$builder" --driver docker-container --bootstrap "$@" >/dev/null 2>&1; then
            echo "Docker is ready: created $builder, since this engine's image store exports no local cache"
        else
            docker buildx rm "$builder" >/dev/null 2>&1 || true
            echo "this engine exports no local cache and $builder could not be created: enable the containerd image store"
        fi
        ;;
    esac
fi
