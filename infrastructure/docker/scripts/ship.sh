#!/bin/sh
# ship DIRECTORY [LOCK]: gives what is shipped modes that its users can read, and dates that depend on nothing but LOCK, or
# the files themselves: what was made from the same is the same layer, on every machine and from every checkout.
set -eu
directory=$1 lock=${2:-}

# What uv leaves: everybody could write to it.
rm -f "$directory/.lock"
chmod -R u=rwX,go=rX "$directory"
# Not one date for all: web servers tell the versions of a file by its date and size.
if [ -n "$lock" ]; then
    digest=$(sha256sum "$lock")
else
    digest=$(cd "$directory" && find . -type f -print0 | sort -z | xargs -0 sha256sum | sha256sum)
fi
seconds=$(($(printf '%d' "0x$(echo "$digest" | cut -c1-7)") % 315360000))
find "$directory" -exec touch --no-dereference --date="2010-01-01T00:00:00Z + $seconds seconds" {} +
