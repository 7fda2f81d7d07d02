"""The last lines a dyno wrote, for the one who is told that it crashed."""

from __future__ import annotations

from units.run import arun

_COUNT = 20


class LastLines:
    """Reads the newest lines of one process of an app from the journal."""

    def __init__(self, namespace: str) -> None:
        self._namespace = namespace

    async def __call__(self, app_id: str, process: str) -> list[str]:
        """The newest lines that the process itself wrote, oldest first."""
        done = await arun(
            [
                "journalctl",
                f"--namespace={self._namespace}",
                "--output=cat",
                f"--lines={_COUNT}",
                f"HOSTD_APP={app_id}",
                "HOSTD_SOURCE=app",
                f"HOSTD_PROCESS={process}",
            ],
            timeout=10.0,
        )
        return done.text.splitlines()
