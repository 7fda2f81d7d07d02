"""What people write to say where a source or a buildpack comes from, checked before anything is begun. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from buildpacks import contract
from buildpacks.runner import addresses, choose
from buildpacks.runner.trouble import Trouble
from buildpacks.source import GitSource, Source, TarSource, UrlSource
from hostd.errors import Invalid

MOST_BUILDPACKS = 20
LONGEST = 1000
"""Characters of an address, a version or a ref."""
_URN = "urn:buildpack:"

Origin = tuple[Source, str]
"""A source, and how it is called where people read it: without credentials."""


def tarball(*, strip: bool) -> Origin:
    """A tar stream that is sent; `strip` takes a single folder at its top off."""
    return TarSource(strip), "tarball"


def download(url: str) -> Origin:
    """A tarball to be downloaded; raises Invalid for an address that a build cannot use."""
    address = _address(url)
    if not address.url.startswith(("http://", "https://")):
        raise Invalid(f"{address.shown} cannot be downloaded: write http:// or https://.")
    return UrlSource(url), f"tarball {address.shown}"


def is_repository(url: str) -> bool:
    """Whether an address is meant as a git repository and not as a tarball: by its end, as git's hosts write them."""
    return url.partition("#")[0].partition("?")[0].rstrip("/").endswith(".git")


def repository(url: str, ref: str = "") -> Origin:
    """A git repository; raises Invalid for an address that a build cannot use, or what cannot be a ref."""
    shown = _address(url).shown
    if len(ref) > LONGEST or ref.startswith("-") or not ref.isprintable() or " " in ref:
        raise Invalid(f"{ref[:60]!r} cannot be a branch, a tag or a commit.")
    return GitSource(url, ref), f"git:sync {shown} {ref}".rstrip()


def buildpacks(texts: Sequence[str]) -> list[str]:
    """Buildpacks as the ledger has them: `heroku/python` for a bundled one, else an address, perhaps with `#ref`.

    Raises Invalid for what is neither, for more than MOST_BUILDPACKS, and for one that is named twice.
    """
    if len(texts) > MOST_BUILDPACKS:
        raise Invalid(f"An app can have {MOST_BUILDPACKS} buildpacks, not {len(texts)}.")
    found: list[str] = []
    for text in texts:
        url = _buildpack(text)
        if url in found:
            raise Invalid(f"The buildpack {_shown(url)} is named twice.")
        found.append(url)
    return found


def shown(url: str) -> str:
    """A buildpack as it may be shown to anybody: credentials masked."""
    return _shown(url)


def _buildpack(text: str) -> str:
    if len(text) > LONGEST:
        raise Invalid(f"A buildpack's address is too long: {len(text)} characters, and {LONGEST} are allowed.")
    try:
        reference = choose.parse(text, contract.NAMES)
    except Trouble as error:
        raise Invalid(f"{str(error).rstrip('.')}.") from None
    return reference.shown if reference.name else text.strip().removeprefix(_URN)


def _shown(url: str) -> str:
    return choose.parse(url, contract.NAMES).shown


def _address(url: str) -> addresses.Address:
    if len(url) > LONGEST:
        raise Invalid(f"The address is too long: {len(url)} characters, and {LONGEST} are allowed.")
    try:
        return addresses.parse(url)
    except Trouble as error:
        raise Invalid(f"{str(error).rstrip('.')}.") from None
