"""Speaking to whoever asked for something, as long as they listen."""

from __future__ import annotations

from slugs.build_unit import Output


class Voice:
    """An output whose listener may leave.

    Until something is ``committed`` their leaving ends the work; from then on it goes on without them.
    """

    def __init__(self, output: Output) -> None:
        self._output = output
        self.committed = False
        self.heard = True

    async def __call__(self, piece: bytes) -> None:
        """Say a piece of text; raises OSError when nobody listens to what could still be undone."""
        if not self.heard:
            return
        try:
            await self._output(piece)
        except OSError:
            if not self.committed:
                raise
            self.heard = False
