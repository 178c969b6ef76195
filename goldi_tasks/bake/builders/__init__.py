"""The builder that builds: which, whether it answers, and what another machine needs to be one."""
