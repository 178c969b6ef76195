"""A proof by difference: random projects and random single edits, where `goldi` is held against the builder.

`python -m tests.fingerprint --help`, or `nox -s long-fingerprint`. For each case a project is built twice, changed once
and built again; then plain `docker buildx bake` builds the same, and both images have to be equal.
"""
