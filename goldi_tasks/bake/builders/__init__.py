"""Choose, create, check and describe the builder that builds images."""
