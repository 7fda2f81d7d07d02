"""Where hostd's own sockets are."""

from __future__ import annotations

from collections.abc import Mapping

RUN_DIR = "/run/hostd"
API_SOCKET = "hostd.sock"
LOGPLEX_SOCKET = "logplex.sock"
ATTACH_SOCKET = "attach.sock"


def run_dir(env: Mapping[str, str]) -> str:
    """The directory of the sockets."""
    return env.get("HOSTD_RUN_DIR") or RUN_DIR
