#!/bin/sh
# job.sh FILE GRACE COMMAND...: runs COMMAND in a tools container. The caller holds a lock on FILE while it waits; the
# result is written to FILE. The processes have FILE in GOLDI_JOB, by which guard.sh finds them.
file=$1 grace=$2
shift 2

[ -d /tmp/.goldi ] || (umask 077 && mkdir -p "$HOME" /tmp/.goldi)
exec 9>>/tmp/.goldi/busy
flock --shared 9
touch /tmp/.goldi/busy
if ! command -v online >/dev/null; then
    echo offline >>"$file"
    exit 127
fi
# A noxfile may set PATH.
if ! (GOLDI_PROGRAM=$1 && eval "${GOLDI_ENV:-}" && command -v -- "$GOLDI_PROGRAM") >/dev/null; then
    echo unknown >>"$file"
    exit 127
fi
echo started >>"$file"

# This shell survives the signals that its children get too, and reports an interruption.
interrupted=
trap 'interrupted=1; echo interrupted >>"$file"' INT
trap : QUIT TERM HUP
# A shell ignores SIGINT in background processes; `env` restores it for the guard.
env --default-signal=INT sh "${0%/*}/guard.sh" "$file" "$grace" </dev/null >/dev/null 2>&1 9>&- &
watch=$!
GOLDI_JOB=$file online sh "${0%/*}/run-with-env.sh" "$@"
code=$?
if [ -n "$interrupted" ] || { [ "$code" -ne 0 ] && flock --shared --nonblock "$file" true; }; then
    # The check was ended; the guard ends its remaining processes.
    wait "$watch"
else
    kill -KILL "$watch" 2>/dev/null
fi
touch /tmp/.goldi/busy
echo "$code" >>"$file"
exit "$code"
