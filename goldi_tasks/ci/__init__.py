"""Run what CI runs, the checks of the noxfile and a build, in parallel; report results, and write CI's own files."""
