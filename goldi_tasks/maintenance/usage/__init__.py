"""What there is: measured as fast as `du` does, with the builder's store, in a table or for scripts."""
