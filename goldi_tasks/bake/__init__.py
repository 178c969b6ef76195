"""The build room: runs bake, and tells what came of it."""
