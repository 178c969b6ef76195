"""What every benchmark has in common: `times` that are taken, `limits` that they are held against."""
