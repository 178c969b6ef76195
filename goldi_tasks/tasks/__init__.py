"""Define invoke's namespaces, one per module. A task has a signature, a docstring, and little code of its own."""

if __name__ == "tasks":
    # invoke searches upward for a module `tasks`; in a directory below goldi_tasks/ it finds this package first.
    from goldi_tasks.tasks._subdirectory import find_namespace

    ns = find_namespace()
