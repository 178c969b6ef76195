#!/bin/sh
# run-with-env.sh COMMAND...: runs COMMAND with the variables that its noxfile names, packed in GOLDI_ENV as shell lines
# (goldi_tasks/checks/check_arguments.py). Last of all, so that nothing between the noxfile and the check heeds or changes them.
eval "${GOLDI_ENV:-}"
unset GOLDI_ENV
exec "$@"
