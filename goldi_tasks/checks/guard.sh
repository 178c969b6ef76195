#!/bin/sh
# guard.sh FILE GRACE: ends a check whose caller holds FILE no more, and one that goes on GRACE seconds after Ctrl-C (""
# for never).
file=$1 grace=$2

# Children in sessions of their own too.
signal() {
    grep -lszxF "GOLDI_JOB=$file" /proc/[0-9]*/environ | cut -d / -f 3 | xargs -r kill "-$1"
}

interrupted=
if [ -n "$grace" ]; then trap interrupted=1 INT; else trap '' INT; fi
exec 8<"$file"
flock 8
if [ -n "$interrupted" ]; then
    # The terminal has told all of them.
    sleep "$grace"
else
    signal INT
    sleep 0.3
fi
signal TERM
sleep 0.2
signal KILL
