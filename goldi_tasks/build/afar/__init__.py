"""What a build has to do with registries: caches there, whether they answer, what is said of a push."""
