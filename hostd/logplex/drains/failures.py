"""Why something could not be delivered, in words without a secret."""

from __future__ import annotations


class Undelivered(Exception):  # noqa: N818 - says what happened
    """A frame was not taken.

    `final`: and never will be, so that its messages are lost. `certificate`: as the receiver's is not valid.
    `after`: seconds for which the receiver wants to be left alone.
    """

    def __init__(
        self, message: str, *, final: bool = False, certificate: bool = False, after: float | None = None
    ) -> None:
        super().__init__(message)
        self.message = message
        self.final = final
        self.certificate = certificate
        self.after = after
