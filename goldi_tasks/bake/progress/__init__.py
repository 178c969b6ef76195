"""A build while it runs: buildx's words as events, what they add up to, and how it is shown.

`progress` makes events, `step` and `steps` the build as far as it has come, `view` follows it and shows it `live` or
`plain`, `failure` says what went wrong and where.
"""
