"""Follow a running build: parse buildx's output into events, collect them, and show the progress.

`events` parses the output, `step` and `running_build` hold the state of the build, `view` runs the command and shows
its progress with `live_table` or `plain_lines`, `step_failure` formats the failed steps.
"""
