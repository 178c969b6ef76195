"""Read Dockerfiles and .dockerignore files: text in, values out."""
