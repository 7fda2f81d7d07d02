"""The buildpack contract (detect, compile, release) and the bundled buildpacks."""
