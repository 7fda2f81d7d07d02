"""The data plane: HTTP comes in, the right dyno answers."""
