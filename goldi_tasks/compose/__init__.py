"""The stack: started from images that are up to date, waited for, looked at, ended."""
