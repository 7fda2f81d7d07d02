"""The steps of the Node.js buildpack, one a module; `compile` runs them in order."""
