"""Start, wait for, inspect and stop the compose stack. Images are brought up to date before a start."""
