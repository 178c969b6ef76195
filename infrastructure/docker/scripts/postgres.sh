#!/bin/sh
# postgres-entrypoint [postgres] [OPTIONS...]: makes a database cluster in an empty $PGDATA, then becomes the server.
# Any other command just runs. Environment as of the official image: POSTGRES_USER, POSTGRES_PASSWORD, POSTGRES_DB, each
# also as a file by its name with _FILE; POSTGRES_HOST_AUTH_METHOD; PGDATA. Nothing runs /docker-entrypoint-initdb.d.
set -eu

fail() {
    printf 'Error: %s\n' "$@" >&2
    exit 1
}

# setting NAME: the value of $NAME, or what the file that $NAME_FILE names holds.
setting() {
    eval "value=\${$1:-} file=\${$1_FILE:-}"
    [ -n "$file" ] || { printf '%s' "$value" && return; }
    [ -z "$value" ] || fail "both $1 and $1_FILE are set (but are exclusive)"
    [ -r "$file" ] || fail "$1_FILE: cannot read $file"
    cat "$file"
}

initialize() {
    user=$(setting POSTGRES_USER)
    password=$(setting POSTGRES_PASSWORD)
    database=$(setting POSTGRES_DB)
    user=${user:-postgres} method=${POSTGRES_HOST_AUTH_METHOD:-scram-sha-256}
    if [ -z "$password" ] && [ "$method" != trust ]; then
        fail 'Database is uninitialized and superuser password is not specified.
       You must specify POSTGRES_PASSWORD to a non-empty value for the superuser, for example with
       "-e POSTGRES_PASSWORD=password" on "docker run", or POSTGRES_PASSWORD_FILE to a file that holds it.
       POSTGRES_HOST_AUTH_METHOD=trust allows all connections without a password; that is *not* recommended.'
    fi
    # initdb wants a line, even of nothing.
    printf '%s\n' "$password" | initdb --username="$user" --pwfile=/dev/stdin --set listen_addresses='*' \
        --auth-local=trust --auth-host=trust
    printf '\nhost all all all %s\n' "$method" >>"$PGDATA/pg_hba.conf"
    database=${database:-$user}
    [ "$database" = postgres ] || printf 'CREATE DATABASE "%s";\n' "$(printf '%s' "$database" | sed 's/"/""/g')" |
        postgres --single -c exit_on_error=true postgres >/dev/null
}

case "${1:-}" in
-*) set -- postgres "$@" ;;
esac
case "$*" in
postgres | "postgres "*) ;;
*) exec "$@" ;;
esac
case " $* " in
*' --help '* | *' -? '* | *' --version '* | *' -V '* | *' -C '*) exec "$@" ;;
esac

if [ "$(id -u)" = 0 ]; then
    mkdir -p "$PGDATA" /var/run/postgresql
    find "$PGDATA" /var/run/postgresql ! -user postgres -exec chown postgres:postgres {} +
    exec setpriv --reuid=postgres --regid=postgres --init-groups "$0" "$@"
fi

if ! [ -s "$PGDATA/PG_VERSION" ]; then
    # Who stops us meanwhile is heard when the cluster is whole: half of one would be taken for a whole one.
    stopped=
    trap 'stopped=1' INT TERM QUIT
    initialize
    [ -z "$stopped" ] || exit 0
    trap - INT TERM QUIT
fi
exec "$@"
