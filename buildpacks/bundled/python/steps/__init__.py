"""The steps of the Python buildpack, one a module; `compile` runs them in order."""
