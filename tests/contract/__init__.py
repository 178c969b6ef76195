"""Tier 3: the files of infrastructure/docker against goldi_tasks, by the real docker client and no engine."""
