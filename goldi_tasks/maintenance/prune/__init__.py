"""Make room: what would go and why, the tools' own commands, and the limits that are kept by themselves."""
