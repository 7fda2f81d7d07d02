"""All commands: which module holds each, so that only that one is loaded; their old names; and near misses."""

from __future__ import annotations

import importlib
from collections.abc import Sequence

from hostd.cli.command import Command, Usage, declared

MODULES: dict[str, tuple[str, ...]] = {
    "apps": ("apps", "apps:create", "apps:info", "apps:open", "apps:rename", "apps:destroy"),
    "setups": ("apps:setup", "apps:setup:info"),
    "transfers": (
        "apps:transfer", "apps:transfers", "apps:transfers:accept", "apps:transfers:decline", "apps:transfers:cancel",
    ),
    "remotes": ("git:remote", "git:clone", "git:credentials"),
    "deploy": ("deploy", "git:sync"),
    "builds": ("builds", "builds:info", "builds:output", "builds:cancel", "builds:timeout"),
    "buildpacks": ("buildpacks", "buildpacks:set", "buildpacks:add", "buildpacks:remove", "buildpacks:clear"),
    "registry": ("buildpacks:search", "buildpacks:info", "buildpacks:versions"),
    "addons": ("addons", "addons:services", "addons:plans", "regions"),
    "config": ("config", "config:set", "config:get", "config:unset"),
    "editing": ("config:edit",),
    "checks": ("checks", "checks:set", "checks:unset"),
    "domains": (
        "domains", "domains:add", "domains:remove", "domains:clear", "domains:info", "domains:wait",
    ),
    "certs": ("certs", "certs:info", "certs:add", "certs:update", "certs:remove", "domains:update"),
    "csr": ("certs:generate",),
    "auto": ("certs:auto", "certs:auto:enable", "certs:auto:disable", "certs:auto:refresh"),
    "https": ("https", "https:redirect", "https:hsts"),
    "maintenance": ("maintenance", "maintenance:on", "maintenance:off"),
    "router": ("router", "router:info", "router:mask", "router:pause", "router:resume"),
    "features": (
        "features", "features:info", "features:enable", "features:disable",
        "labs", "labs:info", "labs:enable", "labs:disable",
    ),
    "metrics": ("metrics", "metrics:apps", "metrics:prometheus"),
    "top": ("ps:top",),
    "ps": ("ps", "ps:wait", "ps:restart", "ps:stop"),
    "formation": ("ps:scale", "ps:type"),
    "idling": ("ps:idle",),
    "run": ("run", "run:detached", "run:inside", "ps:exec"),
    "copy": ("ps:copy",),
    "forward": ("ps:forward",),
    "schedule": (
        "schedule", "schedule:add", "schedule:info", "schedule:run", "schedule:logs", "schedule:pause",
        "schedule:resume", "schedule:remove",
    ),
    "logs": ("logs",),
    "log_limits": ("logs:info", "logs:set"),
    "drains": ("drains", "drains:add", "drains:remove", "drains:info"),
    "alerts": (
        "alerts", "alerts:add", "alerts:info", "alerts:test", "alerts:pause", "alerts:resume", "alerts:remove",
    ),
    "webhooks": (
        "webhooks", "webhooks:add", "webhooks:info", "webhooks:update", "webhooks:remove", "webhooks:deliveries",
        "webhooks:deliveries:info", "webhooks:events", "webhooks:events:info",
    ),
    "pipelines": (
        "pipelines", "pipelines:create", "pipelines:add", "pipelines:update", "pipelines:remove", "pipelines:info",
        "pipelines:rename", "pipelines:transfer", "pipelines:destroy",
    ),
    "promote": ("pipelines:promote", "pipelines:diff"),
    "releases": (
        "releases", "releases:info", "releases:output", "releases:rollback", "releases:retry", "releases:verify",
    ),
    "slugs": ("slugs", "slugs:info", "slugs:export", "slugs:gc"),
    "cache": ("cache", "cache:purge"),
    "stacks": (
        "stacks", "stacks:info", "stacks:create", "stacks:update", "stacks:rollback", "stacks:destroy",
        "stack", "stack:set",
    ),
    "keys": ("keys", "keys:add", "keys:remove", "keys:clear"),
    "authorizations": (
        "authorizations", "authorizations:create", "authorizations:info", "authorizations:update",
        "authorizations:rotate", "authorizations:revoke", "sessions",
    ),
    "auth": ("auth:whoami", "auth:token"),
    "login": ("auth:login", "auth:logout"),
    "heroku": ("heroku", "heroku:setup"),
    "users": ("users", "users:add", "users:info", "users:update", "users:remove"),
    "audit": ("audit",),
    "access": ("access", "access:add", "access:update", "access:remove"),
    "gate": ("access:gate", "access:gate:enable", "access:gate:remove", "access:gate:disable"),
    "platform": ("status", "version", "box"),
    "local": ("local", "local:run", "local:check"),
    "help": ("help",),
    "completion": ("completion", "completion:values"),
}  # fmt: skip

LONGEST_SHOWN = 60
"""Characters of a word that is not known which a message repeats."""

COMMANDS: dict[str, str] = {name: module for module, names in MODULES.items() for name in names}

ALIASES: dict[str, str] = {
    "create": "apps:create",
    "setup": "apps:setup",
    "list": "apps",
    "apps:list": "apps",
    "info": "apps:info",
    "open": "apps:open",
    "rename": "apps:rename",
    "sharing:transfer": "apps:transfer",
    "destroy": "apps:destroy",
    "apps:delete": "apps:destroy",
    "config:add": "config:set",
    "config:remove": "config:unset",
    "scale": "ps:scale",
    "resize": "ps:type",
    "ps:resize": "ps:type",
    "dyno:scale": "ps:scale",
    "dyno:restart": "ps:restart",
    "dyno:stop": "ps:stop",
    "dyno:kill": "ps:stop",
    "dyno:type": "ps:type",
    "dyno:resize": "ps:type",
    "restart": "ps:restart",
    "stop": "ps:stop",
    "kill": "ps:stop",
    "ps:kill": "ps:stop",
    "rollback": "releases:rollback",
    "builds:cache": "cache",
    "builds:cache:purge": "cache:purge",
    "local:start": "local",
    "login": "auth:login",
    "logout": "auth:logout",
    "whoami": "auth:whoami",
    "authorizations:destroy": "authorizations:revoke",
    "sharing": "access",
    "sharing:add": "access:add",
    "sharing:remove": "access:remove",
    "sharing:update": "access:update",
    "--version": "version",
    "-v": "version",
    "--help": "help",
    "-h": "help",
}

_NO_SHELL = "there is no shell on the server itself. For one in a dyno: run -a APP bash"
_NO_FILES = "files come by git push or deploy, and go by git clone or ps:copy."
_NO_ADDONS = "there are no add-ons on this platform yet. For a service elsewhere: config:set DATABASE_URL=..."
_NO_TEAMS = "there are no teams here, apps are people's: who may do what is said with access:add and access:remove."
_NO_GITHUB = "pipelines know no GitHub here: push to their first app, or say git:sync, and then pipelines:promote."
_NO_SUCH_THING = {
    "apps:lock": _NO_TEAMS,
    "apps:unlock": _NO_TEAMS,
    "apps:join": _NO_TEAMS,
    "apps:leave": _NO_TEAMS,
    "teams": _NO_TEAMS,
    "pipelines:connect": _NO_GITHUB,
    "pipelines:setup": _NO_GITHUB,
    "reviewapps": _NO_GITHUB,
    "clients": "nobody logs in here through a browser. A token for a program: authorizations:create.",
    "addons": _NO_ADDONS,
    "pg": _NO_ADDONS,
    "redis": _NO_ADDONS,
    "bash": _NO_SHELL,
    "sh": _NO_SHELL,
    "scp": _NO_FILES,
    "rsync": _NO_FILES,
    "auth": "say auth:login, auth:logout, auth:whoami or auth:token. hostd has ssh keys and tokens, no passwords.",
}


def find(name: str) -> Command:
    """The command of that name or old name; raises Usage with the nearest names otherwise."""
    name = ALIASES.get(name, name)
    module = COMMANDS.get(name)
    if module is None:
        raise Usage(_unknown(name))
    importlib.import_module(f"hostd.cli.{module}")
    return declared(name)


def everything() -> list[Command]:
    """All commands, in the order of the help."""
    return [find(name) for name in COMMANDS]


def old_names(name: str) -> list[str]:
    """Other names under which a command answers."""
    return [alias for alias, known in ALIASES.items() if known == name and not alias.startswith("-")]


def _unknown(name: str) -> str:
    name = name[:LONGEST_SHOWN]
    if hint := _NO_SUCH_THING.get(name) or _NO_SUCH_THING.get(name.partition(":")[0]):
        return f"{name} is not a command: {hint}"
    near = _near(name, [*COMMANDS, *(alias for alias in ALIASES if not alias.startswith("-"))])
    hint = f" Did you mean {' or '.join(near)}?" if near else ""
    return f"{name} is not a command.{hint} All commands: hostctl help"


def _near(name: str, known: Sequence[str]) -> list[str]:
    import difflib

    verb = [other for other in known if ":" in other and other.rpartition(":")[2] == name]
    return (difflib.get_close_matches(name, known, n=3, cutoff=0.6) or verb)[:3]
