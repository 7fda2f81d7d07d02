"""The one error of the installer."""


class InstallError(Exception):
    """A step failed; the text names what, why, and what to do."""
