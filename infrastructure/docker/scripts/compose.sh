#!/bin/sh
# compose.sh development|production COMMAND [OPTION...]: the stack without Python.
#
#   build    the environment's images, through buildx bake, with the caches that `inv build.*` uses
#   up       builds, starts the stack and waits until it is healthy
#   down     ends it; data volumes stay
#
# Every other COMMAND, and all options, are docker compose's own.
set -eu

docker=$(CDPATH='' cd -- "$(dirname -- "$0")/.." && pwd -P)
cd "$docker/../.."

fail() {
    echo "compose.sh: $1. $2." >&2
    exit "$3"
}

[ -z "${GOLDI_INSIDE:-}" ] || fail 'this is the inside of a container' 'Run it on the host' 20
case ${1:-} in
development) profile=dev group=development ;;
production) profile=prod group=production ;;
*) fail "'${1:-}' is no environment" 'Say development or production, then build, up, down or another command of compose' 5 ;;
esac
[ $# -gt 1 ] || fail 'no command' 'Say build, up, down or another command of docker compose' 5
command=$2
shift 2

version=$(docker compose version --short 2>/dev/null || true)
case ${version#v} in
'')
    ! command -v docker-compose >/dev/null ||
        fail "this is compose $(docker-compose version --short 2>/dev/null || true)" 'Install compose 2 or newer, as a plugin of docker' 10
    fail 'docker has no compose plugin' 'Install docker-compose-v2 or docker-compose-plugin' 10
    ;;
0.* | 1.*) fail "this is compose $version" 'Install compose 2 or newer' 10 ;;
esac

# Two checkouts give their stacks one name: what changes the other one's is refused, as goldi_tasks/compose/stack_owner.py does.
case $command in
build | config | events | exec | images | logs | port | ps | pull | stats | top | version) ;;
*)
    label=com.docker.compose.project
    name=$(docker compose --profile "$profile" config 2>/dev/null | sed -n 's/^name: //p')
    docker ps --all --filter "label=$label=$name" --format "{{.Label \"$label.working_dir\"}}" | sort -u | while IFS= read -r folder; do
        above=$folder
        while [ "$above" != "$PWD" ] && [ ! -e "$above/.git" ] && [ "$above" != "${above%/*}" ]; do above=${above%/*}; done
        [ -z "$folder" ] || [ "$above" = "$PWD" ] ||
            fail "the stack '$name' belongs to $folder" 'Take it down there, or set COMPOSE_PROJECT_NAME to another name here' 18
    done || exit
    ;;
esac

# What is mounted has to be there, and .env says where. With a Docker engine that does not answer, compose says so.
case $command in
build | up) part=--images ;;
*) part=--directories ;;
esac
said=$("$docker/setup-cache.sh" "$part")
printf '%s\n' "$said" | sed -n '/^no registry answers/p'
set -a
# shellcheck source=/dev/null
. "$docker/.env"
set +a

bake() {
    # From buildx 0.20 on bake asks before it leaves the project; earlier ones do not know how.
    if docker buildx bake --help | grep -q -- --allow; then
        [ -z "${GOLDI_CA_BUNDLE:-}" ] || set -- --allow "fs.read=$GOLDI_CA_BUNDLE" "$@"
        for root in "$GOLDI_CACHE_ROOT" "${GOLDI_CACHE_ROOT_BUILDX_CACHE_BUILDER:-}" "${GOLDI_CACHE_ROOT_BUILDX_CACHE_TOOLS:-}" \
            "${GOLDI_CACHE_ROOT_BUILDX_CACHE_RUNTIME:-}" "${GOLDI_CACHE_ROOT_BUILDX_CACHE_PRODUCTION:-}" \
            "${GOLDI_CACHE_ROOT_BUILDX_CACHE_DEVCONTAINER:-}"; do
            [ -z "$root" ] || set -- --allow "fs=$(cd "$root" && pwd -P)" --allow "fs=$root" "$@"
        done
    fi
    docker buildx bake --file infrastructure/docker/docker-bake.json "$@"
}

# The database's image, made from Debian's packages where no registry has it.
database() {
    image=$(docker compose --profile "$profile" config --images | grep -E '(^|/)postgres:' || true)
    case $image in
    '') return ;;
    localhost/goldi/*)
        docker image inspect "$image" >/dev/null 2>&1 || bake postgres
        return
        ;;
    esac
    if docker image inspect "$image" >/dev/null 2>&1 || timeout 30 docker pull --quiet "$image" >/dev/null 2>&1; then return; fi
    echo "no registry has $image: building localhost/goldi/postgres:17-trixie"
    bake postgres
    printf '%s\n' POSTGRES_IMAGE=localhost/goldi/postgres:17-trixie GOLDI_DATABASE=built >>"$docker/.env"
    export POSTGRES_IMAGE=localhost/goldi/postgres:17-trixie GOLDI_DATABASE=built
}

case $command in
build) bake "$group" "$@" ;;
up)
    bake "$group"
    database
    exec docker compose --profile "$profile" up --detach --no-build --wait "$@"
    ;;
*) exec docker compose --profile "$profile" "$command" "$@" ;;
esac
