"""The story of a push, and every other way in which a release comes to be."""
