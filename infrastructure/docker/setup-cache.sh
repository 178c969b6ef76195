#!/bin/sh
# The one-time set-up: every cache directory, what Docker needs to use them, and .env beside this file, where compose
# finds them. It may be run again at any time, with containers running, and under sudo (all is then the caller's).
# Only a POSIX shell and, for the last part, docker are needed; --directories leaves that part out, and makes those that
# follow it; --images stops after the base images. `inv cache.setup` does the same from Python; goldi_tasks/paths.py is the
# table that a test holds this file against. Many may run at once: what is made appears at one instant, with its owner and
# its mode (goldi_tasks/atomic.py).
set -eu

here=$(CDPATH='' cd -- "$(dirname -- "$0")" && pwd -P)
project=$(CDPATH='' cd -- "$here/../.." && pwd -P)
env=$here/.env

me=$(id -u)
owner=$me group=$(id -g)
# Under sudo the caches are for who called it.
if [ "$me" = 0 ]; then owner=${SUDO_UID:-0} group=${SUDO_GID:-0}; fi
builder=goldilocks-builder

builds='.buildx-cache-builder .buildx-cache-tools .buildx-cache-runtime .buildx-cache-production .buildx-cache-devcontainer'
shared='pip-cache npm-cache uv-cache pre-commit-cache'
# These hold a directory for each project.
apart_first='goldilocks-venv goldilocks-node-modules goldilocks-bytecode'
apart_last='mypy-cache pytest-cache ruff-cache'
apart="$apart_first $apart_last"
caches="$builds $apart_first $shared $apart_last"
variables=$(printf '%s' " $caches" | LC_ALL=C sed 's/ [.]\{0,1\}/ GOLDI_CACHE_ROOT_/g' | LC_ALL=C tr 'a-z-' 'A-Z_')
option=${1:-}
# Each cache with its variable.
pair() {
    places=
    for cache in $caches; do
        places="$places $cache=$1"
        shift
    done
}
# shellcheck disable=SC2086
pair $variables
usual=/tmp own=/var/tmp
mine=$own/goldi-$owner
another='another root with GOLDI_CACHE_ROOT'
otherwise="Choose $another"
anew='' all='' moved='' folder='' lines='' draft=''
trap '[ -z "$draft" ] || rm -rf "$draft"' EXIT
trap 'exit 130' INT
trap 'exit 143' HUP TERM

refuse() {
    echo "setup-cache: $1. $2." >&2
    exit 13
}

give() {
    [ "$owner" = "$me" ] || chown -h "$owner:$group" "$1"
}

# look PATH: its $mode, and the numbers $uid and $gid; false if it is not there.
look() {
    # The numeric listing is the one way to a file's owner and mode that POSIX has.
    # shellcheck disable=SC2012
    listing=$(ls -ldn "$1" 2>/dev/null) || return 1
    # shellcheck disable=SC2086
    set -- $listing
    mode=$1 uid=$3 gid=$4
}

# nobody_elses PATH REMEDY [UID]: refuses what somebody else could have put there, as goldi_tasks/ownership.py does. Root is
# nobody else, nor is whoever owns /, in a user namespace root's stand-in.
nobody_elses() {
    look "$1" || return 0
    case " 0 $owner $slash ${3:-} " in
    *" $uid "*) ;;
    *) refuse "$1 belongs to user $uid" "Choose $2" ;;
    esac
    case $mode in
    l* | d????????[tT]*) return 0 ;;
    ?????w* | ????????w*) ;;
    *) return 0 ;;
    esac
    # A user's own group, by custom of the same number, has nobody else in it.
    case $mode in
    ????????w*) ;;
    *) [ "$gid" != "$uid" ] || [ "$uid" = 0 ] || return 0 ;;
    esac
    refuse "others may write to $1" "Run chmod go-w '$1', or choose $2"
}

# The same for a directory and all above it.
nobody_elses_way() {
    (
        way=
        IFS=/
        set -f
        # shellcheck disable=SC2086
        set -- $1
        unset IFS
        nobody_elses / "$another"
        for part; do
            [ -n "$part" ] || continue
            way=$way/$part
            nobody_elses "$way" "$another"
        done
    )
}

# where CACHE=VARIABLE: the $cache, its root $folder, and the variable's $name, which gives it one of its own.
where() {
    cache=${1%=*} name=${1#*=}
    eval "folder=\${own_$name:-\$root}"
}

# Where somebody has names of caches in /tmp, the caches are in a directory of the user's own, and stay there.
# goldi_tasks/settings/default_root.py decides alike.
choose_root() {
    root=$usual
    if look "$mine" && [ "${mode%"${mode#?}"}$uid" = "d$owner" ]; then
        root=$mine
        return
    fi
    for cache in $caches; do
        if look "$usual/$cache" && [ "${mode%"${mode#?}"}$uid" != "d$owner" ]; then
            whose=$(whose_is "$usual/$cache")
            if look "$mine"; then refuse "$whose, and $(whose_is "$mine")" 'Choose a directory of yours with GOLDI_CACHE_ROOT'; fi
            root=$mine moved="$whose: your caches are in $mine"
            return
        fi
    done
}

whose_is() {
    look "$1"
    case $uid$mode in
    "$owner"l*) printf '%s is a symbolic link\n' "$1" ;;
    "$owner"*) printf '%s is not a directory\n' "$1" ;;
    *) printf '%s belongs to user %s\n' "$1" "$uid" ;;
    esac
}

# appear PATH [MODE [TEXT]]: makes a directory at one instant, with its owner, its mode and a tag of this text; false if
# something has that name. Never mkdir -p, chmod or chown on what is there: in /tmp somebody else may have been first.
appear() {
    if [ "$owner" = "$me" ] && [ -z "${3:-}" ] && mkdir ${2:+-m "$2"} "$1" 2>/dev/null; then return; fi
    draft=${1%/*}/.goldi-new-$$ count=0
    until mkdir ${2:+-m "$2"} "$draft" 2>/dev/null; do
        count=$((count + 1))
        if [ "$count" = 9 ]; then
            draft=''
            [ -h "$1" ] || [ -e "$1" ] || refuse "$1 cannot be made" "$otherwise"
            return 1
        fi
        draft=${1%/*}/.goldi-new-$$-$count
    done
    if [ -n "${3:-}" ]; then
        (umask 077 && printf '%s\n' "$3" >"$draft/CACHEDIR.TAG")
        give "$draft/CACHEDIR.TAG"
    fi
    give "$draft"
    # Coreutils and busybox have -T; another mv moves it into what is there by then.
    [ -h "$1" ] || mv -T -n "$draft" "$1" 2>/dev/null || [ -e "$1" ] || mv "$draft" "$1" 2>/dev/null || :
    if [ -d "$1/${draft##*/}" ]; then
        rm -rf "${1:?}/${draft##*/}"
    elif [ ! -d "$draft" ]; then
        draft=''
        return 0
    fi
    rm -rf "$draft"
    draft=''
    [ -h "$1" ] || [ -e "$1" ] || refuse "$1 cannot be made" "$otherwise"
    return 1
}

# make PATH [TEXT]: a directory of a cache, which must be ours.
make() {
    remedy='Remove it, or choose another root with GOLDI_CACHE_ROOT'
    if [ ! -h "$1" ] && [ ! -e "$1" ] && appear "$1" 0700 "${2:-}"; then anew=yes; fi
    if [ -h "$1" ]; then refuse "$1 is a symbolic link" "$remedy"; fi
    if [ ! -d "$1" ]; then refuse "$1 is not a directory" "$remedy"; fi
    look "$1"
    case $mode in
    ?????w* | ????????w*) refuse "others may write to $1" "Run chmod go-w '$1', or choose another root" ;;
    esac
    [ "$uid" = "$owner" ] || refuse "$1 belongs to user $uid" "$remedy"
}

# Whether the directory was made, with what was missing above it.
make_way() {
    if [ -z "$1" ] || [ -d "$1" ]; then return 1; fi
    make_way "${1%/*}" || :
    [ ! -d "$1" ] && appear "$1" 0700
}

# make_root PATH VARIABLE
make_root() {
    case $1 in
    /*) ;;
    *) refuse "$2 must be an absolute path, not '$1'" 'Begin it with /' ;;
    esac
    nobody_elses_way "$1" || exit
    otherwise="Choose another root with $2"
    if make_way "$1" && [ -n "$moved" ] && [ "$1" = "$root" ]; then echo "goldi: $moved" >&2; fi
    [ -d "$1" ] || refuse "$1 cannot be made" "$otherwise"
    real=$(CDPATH='' cd -- "$1" && pwd -P)
    [ "$real" = "$1" ] || nobody_elses_way "$real" || exit
}

text='Signature: 8a477f597d28d172789f06886806bc55
# This directory is a cache of goldi_tasks. It may be deleted at any time.'

tag() {
    # What was there before us, with something in it, stays unmarked and is never cleared.
    [ ! -e "$1/CACHEDIR.TAG" ] && [ -z "$(ls -A "$1")" ] || return 0
    draft=$1/.CACHEDIR.TAG-$$
    (umask 077 && printf '%s\n' "$text" >"$draft")
    give "$draft"
    mv -f "$draft" "$1/CACHEDIR.TAG"
    draft=''
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
    inside=$owner inside_group=$group
    # On a rootless engine root in a container is the caller.
    if [ "$owner" != 0 ]; then
        case $(docker info --format '{{.SecurityOptions}}' 2>/dev/null || true) in
        *name=rootless*) inside=0 inside_group=0 ;;
        esac
    fi
    replace_env 9<"$here"
}

replace_env() {
    # One at a time, as goldi_tasks/envfile.py does, where there is a flock: lines of the other would be lost.
    flock 9 2>/dev/null || :
    content=$(
        if [ -f "$env" ]; then sed -E '/^GOLDI_(CACHE_ROOT|CACHE_ROOT_[A-Z_]*|PROJECT|PROJECT_KEY|UID|GID)=/d' "$env"; fi
        printf '%s' "$lines"
        line GOLDI_CACHE_ROOT "$root"
        for place in $places; do
            where "$place"
            [ "$folder" = "$root" ] || line "$name" "$folder"
        done
        line GOLDI_PROJECT "$project"
        line GOLDI_PROJECT_KEY "$key"
        line GOLDI_UID "$inside"
        line GOLDI_GID "$inside_group"
    )
    # Builds look at the dates of the file and of its directory: what did not change is not written, nor a draft beside it.
    if [ -f "$env" ] && [ "$(printf '%s\n' "$content" | sort)" = "$(sort "$env")" ]; then return; fi
    draft=$env.$$
    printf '%s\n' "$content" >"$draft"
    chmod 0644 "$draft"
    look "$here"
    [ "$me" != 0 ] || chown "$uid:$gid" "$draft"
    mv -f "$draft" "$env"
    draft=''
}

# What is true there is never written for the machine outside.
[ -z "${GOLDI_INSIDE:-}" ] || refuse 'this is the inside of a container' 'Run it on the host'
look / && slash=$uid
# Root trusts whose directory this is and whose home it was given, as in a CI's container.
if [ "$me" = 0 ]; then
    for place in . "${HOME:-/}"; do
        if place=$(CDPATH='' cd -- "$place" 2>/dev/null && pwd -P) && look "$place"; then slash="$slash $uid"; fi
    done
fi
# It is a script, once it is read.
if [ -f "$env" ]; then
    look "$project" && by=$uid
    nobody_elses "$here" 'another project directory' "$by"
    nobody_elses "$env" 'another project directory' "$by"
    # What it has from last time, as $was_NAME; the environment has the last word.
    # shellcheck source=/dev/null
    eval "$(. "$env" && for said in GOLDI_APP GOLDI_CACHE_ROOT PYTHON_IMAGE NODE_IMAGE POSTGRES_IMAGE $variables; do
        eval "line was_$said \"\${$said:-}\""
    done)"
fi
root=${GOLDI_CACHE_ROOT:-${was_GOLDI_CACHE_ROOT:-}}
# What .env says may be what was decided here last time.
case ${GOLDI_CACHE_ROOT:-}:$root in
: | ":$usual" | ":$own/goldi-"*) choose_root ;;
esac
app=${GOLDI_APP:-${was_GOLDI_APP:-examples/goldilocks}}
key=$(project_key)
elsewhere=
make_root "$root" GOLDI_CACHE_ROOT
for place in $places; do
    where "$place"
    eval "folder=\${$name:-\${was_$name:-}}"
    case $folder in
    '' | "$root") continue ;;
    esac
    make_root "$folder" "$name"
    eval "own_$name=\$folder"
    elsewhere="$elsewhere, $cache in $folder"
done
otherwise="Choose $another"
for place in $places; do
    where "$place"
    before=$anew anew=
    make "$folder/$cache" "$text"
    # Containers mount no cache of builds.
    case " $builds " in *" $cache "*) ;; *) all=$all$anew ;; esac
    anew=$before$anew
    tag "$folder/$cache"
    case " $apart " in
    *" $cache "*) make "$folder/$cache/$key" ;;
    esac
done
# Where containers mount one of them; a mount point that is missing would be made by the engine, as root.
if [ -f "$project/$app/frontend/package.json" ]; then
    set -- "$@" "$project/$app/frontend/node_modules"
fi
otherwise='Remove what is there'
for folder; do
    [ "$folder" != "$option" ] || continue
    if [ ! -d "$folder" ] && ! appear "$folder" && [ ! -d "$folder" ]; then
        refuse "$folder cannot be made" "$otherwise"
    fi
done
write_env
echo "cache directories are ready in $root$elsewhere"

# What POSIX df cannot tell, Linux does.
tmpfs() {
    if [ "$(stat -f -c %T "$1" 2>/dev/null || true)" = tmpfs ]; then
        echo "$1 is a tmpfs: caches there use memory and end with the next boot; set $2 to a disk"
    fi
}
tmpfs "$root" GOLDI_CACHE_ROOT
for place in $places; do
    where "$place"
    [ "$folder" = "$root" ] || tmpfs "$folder" "$name"
done

[ "$option" != --directories ] || exit 0

is_here() { docker image inspect "$1" >/dev/null 2>&1; }

# Five seconds, where there is timeout(1).
within() { if command -v timeout >/dev/null; then timeout 5 "$@"; else "$@"; fi; }

# adopt VARIABLE OFFICIAL OURS: names OURS in .env where that is here, and OFFICIAL neither here nor in a registry that
# answers.
adopt() {
    eval "named=\${$1:-\${was_$1:-}}"
    [ -z "$named" ] && is_here "$3" && ! is_here "$2" || return 0
    ! within docker buildx imagetools inspect "$2" >/dev/null 2>&1 || return 0
    ! within docker pull --quiet "$2" >/dev/null 2>&1 || return 0
    set -- "$1" "$3"
    adopted="$adopted $2" lines="$lines$(line "$1" "$2")
"
}

# Without a registry: what `engine.up` made for another checkout. The database is built when the stack is first started.
adopt_all() {
    adopted=''
    adopt PYTHON_IMAGE python:3.13-slim-trixie localhost/goldi/python:3.13-trixie
    adopt NODE_IMAGE node:22-trixie-slim localhost/goldi/node:20-trixie
    [ -n "$adopted" ] || return 0
    if [ -z "${POSTGRES_IMAGE:-${was_POSTGRES_IMAGE:-}}" ] && ! is_here postgres:17-trixie; then
        lines="${lines}POSTGRES_IMAGE=localhost/goldi/postgres:17-trixie
GOLDI_DATABASE=built
"
    fi
    write_env
    echo "no registry answers: $env names$adopted"
}

if [ "$option" = --images ]; then
    adopt_all
    exit
fi

# `all` is what every checkout uses. Containers that run still hold what was removed; stopped together and started again
# they mount what is new. Those of another checkout are its own business: what they mount there is not made here.
if [ -n "$anew" ]; then
    form='{{.ID}} {{.Label "com.docker.compose.project.working_dir"}}'
    there=$(docker ps --filter "label=goldi.caches=$root" --format "$form" 2>/dev/null || true)
    ids=$(printf '%s\n' "$there" | while read -r id place; do
        case $place in "$project" | "$here") echo "$id" ;; esac
    done)
    if [ -n "$ids" ]; then
        # shellcheck disable=SC2086
        docker stop $ids >/dev/null && docker start $ids >/dev/null
        echo 'containers that used removed directories were started again'
    fi
    told=
    [ -z "$all" ] || printf '%s\n' "$there" | while read -r id place; do
        case $place in "$told" | '' | "$project" | "$here") continue ;; esac
        told=$place
        echo "the stack of $place still has removed directories: set up its caches there"
    done
fi
# Somebody may be at work in a dev container: that one is not stopped unasked.
if [ -n "$anew" ]; then
    for id in $(docker ps --quiet --filter "label=devcontainer.local_folder=$project" 2>/dev/null || true); do
        echo "the dev container still has removed directories: save your work, then run 'docker restart $id'"
    done
fi

# starts BUILDER: whether it answers, started if need be; else $why not.
starts() {
    if said=$(docker buildx inspect --bootstrap "$1" 2>&1); then
        case $said in *'Error:'*) ;; *) return 0 ;; esac
    fi
    why=$(printf '%s\n' "$said" | sed -n -e '/^ERROR: /b keep' -e '/^Error: */b keep' -e b -e ': keep' -e 's/^[^:]*: *//' \
        -e 's#.*failed to resolve reference "\(docker[.]io/\)\{0,1\}\([^"]*\)".*: \([^:]*\)$#\2 cannot be pulled, \3#' -e p |
        sed -n '$p')
    return 1
}

# The builder that builds, "" for the engine itself: the current one; where that is the engine and its image store, the
# classic one, exports no local cache, one of our own (docker/buildx#701).
used_builder() {
    inspected=$(docker buildx inspect 2>/dev/null || true)
    case $(printf '%s\n' "$inspected" | sed -n 's/^Driver: *//p') in
    '' | docker) case $status in *io.containerd.snapshotter*) ;; *) echo "$builder" ;; esac ;;
    *) printf '%s\n' "$inspected" | sed -n '/^Name: */{
s///p
q
}' ;;
    esac
}

# Says whether $used is ready, the builder that builds; makes the one of our own.
check_builder() {
    if [ -z "$used" ]; then
        echo 'Docker is ready: the engine keeps the build caches'
    elif docker buildx inspect "$used" >/dev/null 2>&1; then
        if starts "$used"; then
            echo "Docker is ready: $used keeps the build caches"
        else
            echo "the builder $used cannot be started: $why. Run '${GOLDI_COMMAND:-./goldi} build.builder --reset'," \
                "or 'docker buildx rm $used'"
        fi
    else
        # BuildKit's own rules would drop cache mounts with the layers.
        set --
        if [ -f "$here/buildkitd.toml" ]; then set -- --buildkitd-config "$here/buildkitd.toml"; fi
        if docker buildx create --name "$builder" --driver docker-container --bootstrap "$@" >/dev/null 2>&1; then
            echo "Docker is ready: created $builder, since this engine's image store exports no local cache"
        else
            docker buildx rm "$builder" >/dev/null 2>&1 || true
            echo "this engine exports no local cache and $builder could not be created: enable the containerd image store"
        fi
    fi
}

if ! docker buildx version >/dev/null 2>&1; then
    echo "docker has no buildx here: install docker-buildx, or run '${GOLDI_COMMAND:-./goldi} engine.up'"
elif ! status=$(docker info --format '{{.DriverStatus}}' 2>/dev/null); then
    echo "no Docker engine answers: start it, or run '${GOLDI_COMMAND:-./goldi} engine.up'"
else
    adopt_all
    used=$(used_builder)
    check_builder
fi
