#!/bin/sh
# online COMMAND...: runs a command that downloads, with what the host's network wants: its certificates (secret
# ca_bundle) and its proxies, indexes, registries, mirrors and logins (lines of `export NAME='value'` in the secrets
# python_env, npm_env and apt_env, one for a program, or build_env, for all of them). They are secrets, and files made of
# them are in memory, so nothing of them is in a layer, in the history, in a cache key, or in what `docker inspect` shows.
set -eu

ca=/run/secrets/ca_bundle
apt=
private=/dev/shm/online-$(id -u)

# private_file NAME TEXT: a file that only we can read; the container's end is its end. Every command in a container is
# told the same, so one that finds the file there leaves it to those that read it.
private_file() {
    [ -d "$private" ] || mkdir -m 700 "$private" 2>/dev/null || [ -d "$private" ]
    [ -e "$private/$1" ] || (umask 077 && printf '%s\n' "$2" >"$private/$1.$$" && mv "$private/$1.$$" "$private/$1")
}

if [ -s "$ca" ]; then
    # Each program reads a name of its own.
    export SSL_CERT_FILE="$ca" PIP_CERT="$ca" REQUESTS_CA_BUNDLE="$ca" CURL_CA_BUNDLE="$ca"
    export NODE_EXTRA_CA_CERTS="$ca" GIT_SSL_CAINFO="$ca"
    apt="Acquire::https::CaInfo \"$ca\";"
fi
alone=
if [ -n "${GOLDI_BUILD_ENV:-}" ]; then
    # This command has logins that others in this container have not: its files are its own, and end with it.
    alone=1
    for left in "$private"-*; do
        [ -e "/proc/${left##*-}" ] || rm -rf "$left"
    done
    private=$private-$$
    eval "$GOLDI_BUILD_ENV"
    unset GOLDI_BUILD_ENV
else
    for told in /run/secrets/build_env /run/secrets/python_env /run/secrets/npm_env /run/secrets/apt_env; do
        # shellcheck source=/dev/null
        [ ! -s "$told" ] || . "$told"
    done
fi
if [ -n "${GOLDI_NPMRC:-}" ]; then
    private_file npmrc "$GOLDI_NPMRC"
    export NPM_CONFIG_USERCONFIG="$private/npmrc"
fi
if [ -n "${GOLDI_NETRC:-}" ]; then
    private_file netrc "$GOLDI_NETRC"
    export NETRC="$private/netrc"
fi
if [ -n "${GOLDI_APT_AUTH:-}" ]; then
    private_file auth.conf "$GOLDI_APT_AUTH"
    apt="$apt Dir::Etc::netrc \"$private/auth.conf\";"
fi
if [ -n "${GOLDI_APT_SED:-}" ]; then
    private_file sed "$GOLDI_APT_SED"
    if ! [ -d "$private/sources" ]; then
        mkdir "$private/sources.$$"
        for file in /etc/apt/sources.list /etc/apt/sources.list.d/*; do
            [ ! -f "$file" ] || sed -E -f "$private/sed" "$file" >"$private/sources.$$/${file##*/}"
        done
        mv -T "$private/sources.$$" "$private/sources" 2>/dev/null || [ -d "$private/sources" ]
    fi
    apt="$apt Dir::Etc::sourcelist \"/dev/null\"; Dir::Etc::sourceparts \"$private/sources\";"
fi
if [ -n "$apt${GOLDI_APT_CONF:-}" ]; then
    # apt's own user may read none of these files.
    private_file apt.conf "${GOLDI_APT_CONF:-} $apt APT::Sandbox::User \"root\";"
    export APT_CONFIG="$private/apt.conf"
fi
if [ -n "${GOLDI_GIT_CONFIG:-}" ]; then
    number=${GIT_CONFIG_COUNT:-0}
    while IFS='	' read -r key value; do
        [ -n "$key" ] || continue
        export "GIT_CONFIG_KEY_$number=$key" "GIT_CONFIG_VALUE_$number=$value"
        number=$((number + 1))
    done <<END
$GOLDI_GIT_CONFIG
END
    export GIT_CONFIG_COUNT="$number"
fi
unset GOLDI_NPMRC GOLDI_NETRC GOLDI_APT_AUTH GOLDI_APT_SED GOLDI_APT_CONF GOLDI_GIT_CONFIG
[ -n "$alone" ] || exec "$@"
trap 'rm -rf "$private"' EXIT
# The command gets these too, and decides.
trap : HUP INT TERM
code=0
"$@" || code=$?
exit "$code"
