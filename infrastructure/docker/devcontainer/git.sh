#!/bin/sh
# Runs as the user when a dev container was started: what git writes to, and is ours, is made writable again where it
# is not. Objects are read-only by design, hooks are their owner's business, links lead elsewhere: all stay.
set -eu
git=$(git rev-parse --path-format=absolute --git-common-dir 2>/dev/null) || exit 0
cd -P "$git"
me=$(id -u)

directories=$(find . -type d -user "$me" ! -perm -u=rwx -print -exec chmod u+rwx {} \; | wc -l)
files=$(find . \( -path '*/objects' -o -path '*/hooks' \) -prune -o -type f -user "$me" ! -perm -u=rw \
    \( -name index -o -name '*HEAD' -o -name config -o -name config.worktree -o -name packed-refs -o -name '*_MSG' \
    -o -path '*/refs/*' -o -path '*/logs/*' \) -print -exec chmod u+rw {} + | wc -l)
mended=$((directories + files))
[ "$mended" = 0 ] || echo "goldi: made $mended of git's files and directories writable again in $git."

# Root may write to all of them.
[ "$me" != 0 ] || exit 0
foreign=$(find . ! -user "$me" -print -quit 2>/dev/null || true)
[ -z "$foreign" ] ||
    echo "goldi: in $git something belongs to another user, as ${foreign#./}. Run \`./goldi devcontainer.fix-git\` on the host."
