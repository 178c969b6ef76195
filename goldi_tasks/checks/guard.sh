#!/bin/sh
# guard.sh FILE GRACE: ends a check when its caller no longer holds the lock on FILE, or GRACE tenths of a second after
# Ctrl-C ("" for never).
file=$1 grace=$2

# The check's processes, also those in other sessions. The shell's own kill is used: procps is not in every image.
processes() { grep -lszxF "GOLDI_JOB=$file" /proc/[0-9]*/environ | cut -d / -f 3; }
signal() { for pid in $(processes); do kill "-$1" "$pid"; done; }

# wait_for TENTHS: waits until the processes have ended, at most TENTHS tenths of a second.
wait_for() {
    left=$1
    while [ "$left" -gt 0 ] && [ -n "$(processes)" ]; do
        sleep 0.1
        left=$((left - 1))
    done
}

interrupted=
if [ -n "$grace" ]; then trap interrupted=1 INT; else trap '' INT; fi
exec 8<"$file"
flock --shared 8
if [ -n "$interrupted" ]; then
    # The terminal has sent SIGINT to all of them.
    wait_for "$grace"
else
    signal INT
    wait_for 3
fi
signal TERM
wait_for 2
signal KILL
