"""The cache room, over the directories of paths.py: `dirs` makes them, `clear` empties them, `walk` goes through them.

`look` tells what there is, `prune` makes room, `local` keeps the build caches whole, `archive` carries caches to
another machine, `doctor` says what they suffer from.
"""
