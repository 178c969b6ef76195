"""Ask what Docker's client and the engine are, and say how containers are run."""
