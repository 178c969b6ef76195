"""The cache room: makes, measures, checks and clears the directories of paths.py."""
