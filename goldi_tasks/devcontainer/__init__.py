"""Create, enter and remove the dev container, and repair the permissions of git's directory."""
