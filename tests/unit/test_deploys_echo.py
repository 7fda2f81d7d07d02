"""What a build prints, cut into lines: whatever pieces it comes in, however it ends."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hostd.deploys.echo import LONGEST, Echo, echoed_build
from hostd.deploys.release_phase import KEPT, ReleasePhase

APP: Any = SimpleNamespace(id="app-id")


class FakeEvents:
    """Keeps what is said, with its source."""

    def __init__(self) -> None:
        self.said: list[str] = []

    def platform(self, app: Any, process: str, text: str) -> None:
        self.said.append(f"heroku[{process}]: {text}")

    def relay(self, app: Any, process: str) -> FakeRelay:
        return FakeRelay(self.said, process)


class FakeRelay:
    """Keeps the lines of a process among the others."""

    def __init__(self, said: list[str], process: str) -> None:
        self._said, self._process = said, process

    def say(self, line: str) -> None:
        self._said.append(f"app[{self._process}]: {line}")

    async def end(self) -> None:
        pass


def echoed(*pieces: bytes) -> list[str]:
    said: list[str] = []
    echo = Echo(said.append)
    for piece in pieces:
        echo.hear(piece)
    echo.end()
    return said


def test_lines_are_whole_wherever_the_pieces_are_cut() -> None:
    assert echoed(b"one\ntw", b"o\r\n", b"\n", b"   \n thr", b"ee  ") == ["one", "two", " three"]


def test_what_is_no_text_is_shown_as_such() -> None:
    assert echoed(b"caf\xe9\n") == ["caf\N{REPLACEMENT CHARACTER}"]


@given(st.lists(st.binary(max_size=40), max_size=20))
def test_pieces_make_no_difference(pieces: list[bytes]) -> None:
    assert echoed(*pieces) == echoed(b"".join(pieces))


@pytest.mark.parametrize("cut", [1, 1000, 70_000])
def test_a_line_without_end_is_cut_between_characters_and_not_kept(cut: int) -> None:
    text = ("x" + "\N{SNOWMAN}" * LONGEST).encode()
    said = echoed(*(text[at : at + cut] for at in range(0, len(text), cut)), b"\nnext\n")
    assert "".join(said[:-1]).encode() == text
    assert said[-1] == "next"
    assert all(LONGEST - 4 < len(line.encode()) <= LONGEST for line in said[:-2])


async def test_a_build_is_between_its_beginning_and_its_end() -> None:
    events = FakeEvents()
    async with echoed_build(events, APP, "20a5742") as echo:  # type: ignore[arg-type]
        echo.hear(b"-----> Python app\n       no end")
    assert events.said == [
        "heroku[build]: Starting build of 20a5742",
        "app[build]: -----> Python app",
        "app[build]:        no end",
        "heroku[build]: State changed from building to complete",
    ]


async def test_a_build_that_fails_is_said_to_have_failed_behind_its_last_line() -> None:
    events = FakeEvents()
    with pytest.raises(KeyError):
        async with echoed_build(events, APP, "20a5742") as echo:  # type: ignore[arg-type]
            echo.hear(b"oh no")
            raise KeyError
    assert events.said[1:] == ["app[build]: oh no", "heroku[build]: State changed from building to failed"]


async def test_a_release_command_is_heard_by_the_pusher_the_log_and_the_release() -> None:
    events, transcript = FakeEvents(), bytearray()

    async def say(piece: bytes) -> None:
        transcript.extend(piece)

    phase = ReleasePhase(APP, say, events)  # type: ignore[arg-type]
    phase.begins("release.4711")
    await phase.hear(b"one\ntw")
    await phase.hear(b"o")
    await phase.ends()
    assert events.said == ["app[release.4711]: one", "app[release.4711]: two"]
    assert transcript == b"       one\n       two\n"
    assert phase.output == b"one\ntwo"


async def test_of_a_long_output_the_end_is_kept_with_the_release() -> None:
    async def say(_piece: bytes) -> None:
        pass

    phase = ReleasePhase(APP, say, FakeEvents())  # type: ignore[arg-type]
    for _ in range(40):
        await phase.hear(b"x" * (1 << 16))
    await phase.hear(b"end")
    assert len(phase.output) == KEPT
    assert phase.output.endswith(b"xend")
