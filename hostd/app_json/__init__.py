"""What an app says of itself in app.json, by Heroku's schema: read at its first deploy, and when it is set up."""

from hostd.app_json.manifest import MAX_BYTES, Manifest, Script, Variable, Wrong, parse

__all__ = ["MAX_BYTES", "Manifest", "Script", "Variable", "Wrong", "parse"]
