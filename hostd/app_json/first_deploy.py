"""What a manifest means for the first deploy of an app. Pure."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from hostd.app_json.manifest import Manifest, Wrong
from hostd.errors import Invalid
from hostd.ledger.formation import Process
from hostd.names import config_changes


@dataclass(frozen=True, slots=True)
class Wishes:
    """What is to be so at an app's first release: its whole config, the new vars in it, the stack of its build.

    `made` are those of the new vars whose values were generated. `notes` are sentences for the pusher.
    """

    config: Mapping[str, str] = field(repr=False)
    added: tuple[str, ...]
    made: tuple[str, ...]
    stack: str
    notes: tuple[str, ...]


def generated() -> str:
    """A secret: 256 random bits as 64 hexadecimal digits, Heroku's form."""
    return secrets.token_hex(32)


def wishes(
    manifest: Manifest,
    *,
    app: str,
    config: Mapping[str, str],
    stack: str,
    default_stack: str,
    stacks: Collection[str],
    overrides: Mapping[str, str] | None = None,
    generate: Callable[[], str] = generated,
) -> Wishes:
    """What the first deploy of an app with this config and stack takes from its manifest.

    What is set already stays; `overrides`, those of a setup (None: it is none), come before what the manifest says. The
    manifest's stack counts if nobody chose another. Raises Wrong, naming the vars that must have a value and have none,
    and for a config that is too large.
    """
    given = {**(overrides or {}), **config}
    values, made, missing = dict(overrides or {}), [], []
    for variable in manifest.env:
        if variable.name in given:
            continue
        if variable.generated:
            values[variable.name] = generate()
            made.append(variable.name)
        elif variable.value is not None:
            values[variable.name] = variable.value
        elif variable.required:
            missing.append(variable.name)
    if missing:
        raise Wrong([_missing(missing, app, setup=overrides is not None)])
    new = {name: value for name, value in values.items() if name not in config}
    try:
        merged = config_changes(config, new)
    except Invalid as error:
        raise Wrong([f"env: {error}"]) from error
    chosen, notes = _stack(manifest.stack, stack, default_stack, stacks)
    return Wishes(merged, tuple(sorted(new)), tuple(made), chosen, tuple(notes))


def formation(manifest: Manifest, types: Iterable[str], present: Collection[str]) -> tuple[list[Process], list[str]]:
    """What the manifest wants of process types that there are and that nobody has scaled yet; and what it names that
    there is not."""
    known = set(types)
    wanted = [process for process in manifest.formation if process.type in known and process.type not in present]
    unknown = [process.type for process in manifest.formation if process.type not in known]
    return wanted, unknown


def success_address(manifest: Manifest, web_url: str) -> str | None:
    """Where to go once the app is up, if the manifest says; a path is one of the app's."""
    if not manifest.success_url:
        return None
    if manifest.success_url.startswith("/"):
        return web_url.rstrip("/") + manifest.success_url
    return manifest.success_url


def _missing(names: Sequence[str], app: str, *, setup: bool) -> str:
    listed = ", ".join(names)
    need = "needs a value" if len(names) == 1 else "need values"
    if setup:
        return f"env: {listed} {need}: set up with {' '.join(f'--env {name}=...' for name in names)}"
    setting = " ".join(f"{name}=..." for name in names)
    return f"env: {listed} {need}. Set it, then push again: hostctl config:set {setting} -a {app}"


def _stack(wanted: str, stack: str, default: str, stacks: Collection[str]) -> tuple[str, list[str]]:
    if not wanted or wanted == stack:
        return stack, []
    if stack != default:
        return stack, [f"stack {wanted} is passed over: {stack} was chosen for this app"]
    if wanted not in stacks:
        known = ", ".join(stacks)
        return stack, [f"there is no stack {wanted[:40]!a} here (there are: {known}): this is built on {stack}"]
    return wanted, []
