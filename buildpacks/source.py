"""Where the source of a build comes from. All of it is fetched and unpacked inside the build's sandbox."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True)
class TarSource:
    """A tar stream, plain or compressed with gzip, that is fed to the build.

    With `strip` a single folder at its top is taken off, as archives of code hosts have one.
    """

    strip: bool = False


@dataclass(frozen=True)
class GitSource:
    """A git repository to clone; `ref` is a branch, a tag or a commit, empty for the repository's own choice."""

    url: str = field(repr=False)
    ref: str = ""


@dataclass(frozen=True)
class UrlSource:
    """A tarball to download by http or https; a single folder at its top is taken off."""

    url: str = field(repr=False)


@dataclass(frozen=True)
class PresentSource:
    """The tree is there: it was taken in before (`contract.Order.only_source`)."""


@dataclass(frozen=True)
class SlugSource:
    """The stream of a gzipped tar archive that is a slug already: nothing builds what it has below `./app`.

    `process_types` are its commands by type, and its Procfile is not asked.
    """

    process_types: Mapping[str, str]


Source = TarSource | GitSource | UrlSource | PresentSource | SlugSource
"""The URLs may hold credentials: they are never shown, and masked where a transcript names them."""
