"""Tier 2: the real `goldi` and `inv`, with a recording docker on PATH."""
