"""Pure functions: settings and answers in, argument lists out. Nothing here reads, writes or starts anything."""
