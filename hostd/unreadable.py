"""Requests that cannot be read as HTTP: they are answered with 400, and nothing of them gets into the log."""

from __future__ import annotations

import logging

from aiohttp.http import HttpProcessingError


class Unquoted(logging.Filter):
    """Leaves out what aiohttp says of such requests: it quotes them, a token may stand in them, and anybody can send
    any number of them."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Whether a record is of something else."""
        return not (record.exc_info and isinstance(record.exc_info[1], HttpProcessingError))


server_log = logging.getLogger("hostd.server")
"""For aiohttp's servers: faults of theirs and of ours."""
server_log.addFilter(Unquoted())
