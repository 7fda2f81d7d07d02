"""What a Django app gets: its static files collected, and a web process."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

from packkit.commands import CommandError, run
from packkit.config import is_set
from packkit.say import BuildError, detail, topic, warn

_DEEPEST = 3
_SETTINGS = re.compile(r"""DJANGO_SETTINGS_MODULE["']\s*,\s*["']([\w.]+)["']""")
_UNSET = re.compile(r"KeyError: '(\w+)'|The (SECRET_KEY) setting must not be empty|Set the (\w+) environment")


def manage(app: Path) -> Path | None:
    """The manage.py nearest to the app's root, where there is one at most two folders down."""
    found = [file for depth in range(_DEEPEST) for file in sorted(app.glob("*/" * depth + "manage.py"))]
    return next((file for file in found if ".heroku" not in file.parts), None)


def project(app: Path) -> str | None:
    """The module that has the project's WSGI application, by manage.py's settings: shop.wsgi for shop.settings."""
    file = app / "manage.py"
    match = _SETTINGS.search(file.read_text(errors="replace")) if file.is_file() else None
    folders = [match[1].split(".")[0]] if match else []
    folders += sorted(wsgi.parent.name for wsgi in app.glob("*/wsgi.py"))
    return next((f"{folder}.wsgi" for folder in folders if (app / folder / "wsgi.py").is_file()), None)


def default_web(app: Path) -> str | None:
    """The command of the web process of a Django app whose environment is complete; None for other apps."""
    if not (app / "manage.py").is_file():
        return None
    wsgi = project(app)
    if wsgi and (app / ".heroku/python/bin/gunicorn").exists():
        return f"gunicorn {wsgi} --bind 0.0.0.0:$PORT"
    return "python manage.py runserver 0.0.0.0:$PORT"


def prepare(app: Path, *, env: Mapping[str, str]) -> None:
    """Collects static files, and warns where only Django's own server could run the app."""
    if not any((app / ".heroku/python/lib").glob("python*/site-packages/django/__init__.py")):
        return
    script = manage(app)
    if script is not None:
        _collect(app, script, env)
    if not (app / "Procfile").is_file() and "runserver" in (default_web(app) or ""):
        warn(
            "The web process will be Django's development server, which is slow and not made for the public.",
            "Add gunicorn to the dependencies, or a Procfile that names another server.",
        )


def explain(output: str) -> list[str]:
    """What to do about a failed collectstatic."""
    if match := re.search(r"ModuleNotFoundError: No module named '([\w.]+)'", output):
        return [f"The app imports {match[1]}, which is not among its dependencies: add it."]
    if "STATIC_ROOT" in output:
        return ['The settings need STATIC_ROOT, such as STATIC_ROOT = BASE_DIR / "staticfiles".']
    if match := _UNSET.search(output):
        name = next(filter(None, match.groups()))
        return [f"The settings need {name}, which is not set: `hostctl config:set {name}=...`, and push again."]
    if "DatabaseError" in output or "OperationalError" in output:
        return ["The app asks its database while it is loaded. Move that to where a request is answered."]
    return ["Read the error above; `python manage.py collectstatic --noinput` shows it on your own machine too."]


def _collect(app: Path, script: Path, env: Mapping[str, str]) -> None:
    if is_set(env, "DISABLE_COLLECTSTATIC"):
        topic("Static files are not collected, because DISABLE_COLLECTSTATIC is set")
        return
    command = ["python", str(script.relative_to(app)), "collectstatic", "--noinput"]
    topic(f"$ {' '.join(command)}")
    try:
        run([app / ".heroku/python/bin/python", *command[1:]], env=env, cwd=app)
    except CommandError as error:
        if "Unknown command: 'collectstatic'" in error.output:
            detail("The app does not use django.contrib.staticfiles: nothing to collect")
            return
        raise BuildError(
            "Django's static files could not be collected: see above.",
            *explain(error.output),
            "An app that needs none can switch this off: `hostctl config:set DISABLE_COLLECTSTATIC=1`.",
        ) from error
