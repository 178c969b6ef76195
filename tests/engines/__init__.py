"""The real tests on other engines: `python -m tests.engines newest`, `rootless` or `podman`, as root, by hand.

What is fetched stays in /var/tmp/goldi-engines; everything else ends with the run.
"""
