"""What the logplex has said of itself, asked through its socket."""

import socket

import pytest
from logplex_fakes import Store, trusted

from hostd.logplex.counts import Counts
from hostd.logplex.server import Server
from hostd.logplex.streams import Openers, Streams
from hostd.metrics.logplex import LogplexCounts, judged


def not_followed(app_id):
    raise AssertionError(f"nobody has a tail of {app_id}")


@pytest.mark.parametrize(
    "strange",
    [[], None, {}, {"apps": {}}, {"run": 1, "apps": {}}, {"run": "x", "apps": []}, {"run": "x", "apps": {"a": 3}},
     {"run": "x", "apps": {"a": {"L10": "3"}}}],
)  # fmt: skip
def test_an_answer_of_another_version_is_refused_at_the_door(strange):
    with pytest.raises(ValueError, match="another version"):
        judged(strange)


async def test_hostd_asks_the_logplex(tmp_path, caplog):
    counts = Counts()
    counts.hear("app", "Error L10 (Drain buffer overflow) -> This drain dropped 41 messages")
    server = Server(Streams(Openers(Store().open, not_followed, not_followed), trusted), b"k" * 32, counts)
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(str(tmp_path / "logplex.sock"))
    accepting = await server.serve(listener)
    asker = LogplexCounts(tmp_path / "logplex.sock")
    try:
        found = await asker.read()
        assert found == counts.document()
        assert found["apps"] == {"app": {"L10": 1}}
    finally:
        accepting.close()
        server.close()
    (tmp_path / "logplex.sock").unlink()
    assert [await asker.read() for _ in range(3)] == [None] * 3
    assert caplog.text.count("does not say what it has counted") == 1
