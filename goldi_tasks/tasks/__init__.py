"""invoke's namespaces, one a file. Each only translates: a signature, a docstring, one call."""
