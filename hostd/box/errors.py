"""The one error of the box."""


class BoxError(Exception):
    """The box cannot do what was asked; the text names the cause and the next step."""
