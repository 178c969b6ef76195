"""`python -m goldi_tasks`: the `goldi` command of this Python, where it is not on PATH."""

from goldi_tasks.cli import main

if __name__ == "__main__":
    main()
