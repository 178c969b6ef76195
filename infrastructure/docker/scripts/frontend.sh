#!/bin/sh
# frontend.sh COMMAND...: starts COMMAND in a front end whose packages are those of its lock; it installs them into
# node_modules, a cache that is mounted there, if they are not.
set -eu
lock=$(sha256sum package-lock.json)
mark=node_modules/.goldi-lock
if [ "$(cat "$mark" 2>/dev/null || true)" != "$lock" ]; then
    echo 'installing the packages of package-lock.json'
    online npm ci --prefer-offline --no-audit --no-fund
    printf '%s\n' "$lock" >"$mark"
fi
[ $# -eq 0 ] || exec "$@"
