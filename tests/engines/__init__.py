"""The real tests on other engines than this machine's: `python -m tests.engines newest`, `rootless` or `podman`, by hand.

What is fetched stays in /var/tmp/goldi-engines; everything else ends with the run.
"""
