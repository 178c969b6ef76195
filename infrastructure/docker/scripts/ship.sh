#!/bin/sh
# ship LOCK VENV: makes an environment that is shipped the same whenever it is made from LOCK.
set -eu
lock=$1 venv=$2

# What uv leaves: everybody could write to it.
rm -f "$venv/.lock"
# A date in the layer for each file would make it another one on each machine. Not one date for all locks: web
# servers tell the versions of a file by its date and size.
days=$(($(printf '%d' "0x$(sha256sum "$lock" | cut -c1-7)") % 3650))
find "$venv" -exec touch --no-dereference --date="2010-01-01T00:00:00Z + $days days" {} +
