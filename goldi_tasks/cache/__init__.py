"""Create, check, lock, repair and empty the cache directories that paths.py lists.

The tasks over them (clear, prune, status, save and restore, doctor) are in `goldi_tasks/maintenance`.
"""
