#!/bin/sh
# watch.sh IDLE ALIVE: the main process of a tools container. It ends itself once no check has run for IDLE seconds, or
# after SIGUSR1 once none runs. Every check, and what it leaves running, holds a shared lock on `busy`. As long as it
# lives it holds one on the file ALIVE, which is shared with the host.
set -eu

idle=$1
[ -d /tmp/.goldi ] || (umask 077 && mkdir -p "$HOME" /tmp/.goldi)
busy=/tmp/.goldi/busy
trap 'idle=0' USR1
trap 'exit 0' TERM INT
exec 9>>"$busy"
touch "$busy"
exec 8>>"$2"
flock 8
while :; do
    nap=$((idle / 4 < 30 ? idle / 4 + 1 : 30))
    sleep "$nap" &
    wait $! || :
    quiet=$(($(date +%s) - $(stat -c %Y "$busy")))
    if [ "$quiet" -ge "$idle" ] && flock --nonblock 9; then
        exit 0
    fi
done
