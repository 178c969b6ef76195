#!/bin/sh
# run-with-env.sh COMMAND...: runs COMMAND with the variables of its noxfile, packed in GOLDI_ENV as shell lines
# (goldi_tasks/checks/check_arguments.py). It runs last, so that no program before the check uses or changes them.
eval "${GOLDI_ENV:-}"
unset GOLDI_ENV
exec "$@"
