"""What CI runs: the checks of the noxfile and a build, side by side; what came of them; and CI's own files."""
