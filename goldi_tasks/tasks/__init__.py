"""invoke's namespaces, one a file. Each only translates: a signature, a docstring, one call."""

if __name__ == "tasks":
    # invoke looks upward for a module of this name, and below goldi_tasks/ it comes to this package first.
    from goldi_tasks.tasks._subdirectory import find_namespace

    ns = find_namespace()
