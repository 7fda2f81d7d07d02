"""Apps whose deploy never ends by itself."""

WEB = {"Procfile": "web: python3 -m http.server $PORT\n"}
ENDLESS = {
    **WEB,
    "requirements.txt": "./endless\n",
    "endless/pyproject.toml": """\
[build-system]
requires = []
build-backend = "endless"
backend-path = ["."]

[project]
name = "endless"
version = "1"
""",
    "endless/endless.py": "import signal\n\n\ndef build_wheel(*_, **__):\n    signal.pause()\n",
}
"""An app whose build never ends: one of its packages is never done."""
BUILDING = "Building endless"
MIGRATING = {"Procfile": "release: echo migrating without end; exec tail -f /dev/null\n" + WEB["Procfile"]}
"""An app whose release command never ends."""
