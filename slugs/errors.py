"""What can go wrong in the store and in a build; every text names the cause and the next step."""

# ruff: noqa: N818  (named for what happened)


class SlugsError(Exception):
    """Base of all errors of this package."""


class NotBtrfs(SlugsError):
    """The pool's directory does not lie on btrfs."""


class NoSuchSubvolume(SlugsError):
    """A slug, build or cache that was asked for is not in the pool."""


class NoSuchStack(SlugsError):
    """There is no stack of that name, or the pool does not hold that version of it."""


class StackFailed(SlugsError):
    """A stack could not be made; the text is the reason, with the mirror where that did not answer."""


class PoolFull(SlugsError):
    """The pool has no room: the text has the numbers."""


class PoolReadOnly(SlugsError):
    """The pool cannot be written to at all."""


class BuildFailed(SlugsError):
    """The build did not make a slug; the text is the reason in one or a few lines."""


class BuildTimeout(BuildFailed):
    """The build took longer than it may."""


class NoBuildpack(BuildFailed):
    """No buildpack claimed the source tree."""


class SlugTooLarge(BuildFailed):
    """The finished tree is larger than a slug may be; the text names the largest files."""


class ExportFailed(SlugsError):
    """The slug could not be packed into a tarball."""
