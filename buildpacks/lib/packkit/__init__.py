"""What the bundled buildpacks that are written in Python share: output.sh's words, commands, caches, libraries.

Only the standard library, and nothing else of hostd: this runs inside a build, on the stack's Python.
"""
