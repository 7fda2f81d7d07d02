"""Which buildpacks build an app: the order of choice, and what a reference to one means. Pure."""

from __future__ import annotations

import json
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from urllib.parse import urlsplit

from . import addresses
from .addresses import Address
from .trouble import Trouble

ALIASES = ("heroku/", "heroku-community/")
"""What may stand before the name of a bundled buildpack."""
TARBALLS = (".tgz", ".tar.gz", ".tar", ".tar.xz", ".txz", ".tar.bz2", ".tbz2")

_URN = "urn:buildpack:"


@dataclass(frozen=True)
class Reference:
    """One buildpack: the name of a bundled one, or else an address, of a git repository unless `tarball`.

    `ref` is a branch, tag or commit, of a tarball also the beginning of its sha256; `shown` is for transcripts.
    """

    shown: str
    name: str = ""
    address: Address | None = None
    tarball: bool = False
    ref: str = ""


@dataclass(frozen=True)
class Choice:
    """The buildpacks in their order and who named them; none when the app's files are to decide.

    `warning` is for the pusher: something that could not be read was passed over.
    """

    references: tuple[Reference, ...] = ()
    chosen_by: str = ""
    warning: str = ""


def choose(
    *, owner: Sequence[str], config_url: str, dotfile: str | None, app_json: str | None, known: Collection[str]
) -> Choice:
    """The first that names any: the owner's list, BUILDPACK_URL, the file `.buildpacks`, `app.json`.

    Raises Trouble for a reference that can mean nothing.
    """
    if owner:
        return _chosen("buildpacks:set", owner, known)
    if config_url.strip():
        return _chosen("BUILDPACK_URL", [config_url], known)
    if lines := _lines(dotfile or ""):
        return _chosen(".buildpacks", lines, known)
    if app_json is None:
        return Choice()
    try:
        listed = _in_app_json(app_json)
    except ValueError as error:
        return Choice(warning=f"app.json cannot be read, so its buildpacks are not known: {error}")
    return _chosen("app.json", listed, known) if listed else Choice()


def parse(text: str, known: Collection[str]) -> Reference:
    """What a reference means; `known` are the names of the bundled buildpacks. Raises Trouble."""
    text = text.strip().removeprefix(_URN)
    if not addresses.is_address(text):
        return _bundled(text, known)
    url, _, ref = text.partition("#")
    if ref.startswith("-") or not ref.isprintable() or " " in ref:
        raise Trouble(f"#{ref.encode('unicode_escape').decode()[:80]} is not a branch, tag or commit")
    address = addresses.parse(url)
    path = urlsplit(address.url).path.rstrip("/")
    tarball = path.lower().endswith(TARBALLS) or "/tarball/" in path
    return Reference(
        shown=address.shown + (f"#{ref}" if ref else ""), address=address, tarball=tarball, ref=ref
    )


def _chosen(chosen_by: str, texts: Sequence[str], known: Collection[str]) -> Choice:
    return Choice(tuple(parse(text, known) for text in texts), chosen_by)


def _bundled(text: str, known: Collection[str]) -> Reference:
    name, hash_sign, ref = text.partition("#")
    for alias in ALIASES:
        name = name.removeprefix(alias)
    if name not in known:
        shown = text.encode("unicode_escape").decode()[:80]
        raise Trouble(
            f'There is no buildpack "{shown}". Bundled are {", ".join(sorted(known))}; '
            "others are named by their https:// address"
        )
    if hash_sign:
        raise Trouble(f'The bundled buildpack {name} comes with hostd in one version: leave out "#{ref[:40]}"')
    return Reference(shown=f"heroku/{name}", name=name)


def _lines(dotfile: str) -> list[str]:
    lines = (line.strip() for line in dotfile.splitlines())
    return [line for line in lines if line and not line.startswith("#")]


def _in_app_json(text: str) -> list[str]:
    """The buildpacks of an app.json: `"buildpacks": [{"url": "heroku/python"}]`; raises ValueError."""
    content = json.loads(text)
    listed = content.get("buildpacks", []) if isinstance(content, dict) else []
    if not isinstance(listed, list):
        raise ValueError('"buildpacks" is not a list')
    named = [entry.get("url") if isinstance(entry, dict) else entry for entry in listed]
    urls = [url for url in named if isinstance(url, str) and url]
    if len(urls) != len(named):
        raise ValueError('an entry of "buildpacks" has no "url"')
    return urls
