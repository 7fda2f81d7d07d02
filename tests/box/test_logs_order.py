"""Lines of fifty dynos at once, each numbered: a tail and a drain get every one in order and once, or are told.

100,000 lines; `HOSTD_TEST_LINES=1000000` for a million.
"""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from tests.support.platform import PYTHON, Platform
from tests.support.settings import settings

SCENARIO = Path(__file__).with_name("order_scenarios.py").read_text()
DYNOS = 50
LINES = int(os.environ.get("HOSTD_TEST_LINES", "100000"))
PROCFILE = "worker: exec perl write.pl\n"
WRITER = r"""
my ($dyno) = $ENV{DYNO} =~ /(\d+)$/;
syswrite STDOUT, "order $dyno $_ of what this dyno has to say, in as many words as lines have\n" for 1 .. $ENV{LINES};
sleep 1 << 30;
"""


@pytest.fixture
def writing(platform: Platform, app: str, tmp_path: Path) -> str:
    """An app whose workers write so many lines, numbered, and has none yet."""
    (tmp_path / "Procfile").write_text(PROCFILE)
    (tmp_path / "write.pl").write_text(WRITER)
    platform.hostctl("config:set", f"LINES={LINES // DYNOS}", "-a", app)
    # What is written faster than it is read stays in the journal.
    platform.hostctl("logs:set", "--size", str(max(256, LINES // 1000)), "-a", app)
    platform.hostctl("deploy", str(tmp_path), "-a", app)
    return app


def test_no_line_is_lost_untold_or_out_of_place(platform: Platform, writing: str) -> None:
    with settings(platform, drain_networks="127.0.0.1/32"):
        words = [writing, str(DYNOS), str(LINES // DYNOS)]
        done = platform.run([PYTHON, "-c", SCENARIO, *words], timeout=120 + LINES / 1000)
    found = json.loads(done.stdout)
    print(f"{LINES} lines in {found['seconds']:.1f} s, the start of {DYNOS} dynos with it")
    for name in ("tail", "drain"):
        account = found[name]
        print(f"{name}: {account}")
        assert account["came twice or too late"] == 0
        # A tail that is slower than what is written is told what it lost (L11), a drain that is behind for a minute
        # too (L10). Of what is lost some may be lines of the platform.
        assert LINES <= account["came"] + account["told as lost"] <= LINES + found["of the platform"]
        assert account["came"] == LINES or account["told as lost"]
