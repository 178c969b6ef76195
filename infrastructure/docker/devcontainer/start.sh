#!/bin/sh
# Runs as root when a dev container starts, and again when it is started again: in milliseconds, for an editor comes in
# right after it. GOLDI_WORKSPACE is the project; .devcontainer/initialize.sh made what is in its .local.
set -eu
project=$GOLDI_WORKSPACE
told=$project/.devcontainer/.local

# `dev` is whoever the mounted files belong to. On a rootless engine that is root, who is the caller there.
owner=$(stat -c %u:%g /cache/pip)
if ! grep -q "^dev:x:$owner:" /etc/passwd; then
    sed -i "s|^dev:.*|dev:x:$owner::/home/dev:/bin/bash|" /etc/passwd
    sed -i "s|^dev:.*|dev:x:${owner#*:}:|" /etc/group
    chown -R "$owner" /home/dev
fi

if [ ! -e "/workspaces/${project##*/}" ]; then
    mkdir -p /workspaces
    ln -s "$project" "/workspaces/${project##*/}"
fi

[ -e /etc/gitconfig ] || git config --system include.path "$told/git-config"
IFS= read -r common <"$told/git-directory"
if [ ! -e "$common" ]; then
    mkdir -p "${common%/*}"
    ln -s /run/goldi/git "$common"
fi

# Where the host's engine is let in. A number may have two names.
if [ -S /var/run/docker.sock ] && ! grep -q '^goldi-docker:' /etc/group; then
    echo "goldi-docker:x:$(stat -c %g /var/run/docker.sock):dev" >>/etc/group
fi
