"""What all tests run under: where Python keeps what it compiles, how Hypothesis looks for examples, and failures told.

tests/run leaves nothing in the checkout. Without another place for compiled modules, whose asserts pytest rewrites,
every worker of every run would begin with five seconds of compiling. Examples are the same in every run, a quarter of
them in a quick one, and may take their time: a busy machine is no failure. With HOSTD_TEST_COMPILED the router is the
compiled one.
"""

import os
import sys
from pathlib import Path

import pytest

if "HOSTD_TEST_CACHE" in os.environ:
    # In the virtual environment that tests/run made, and gone with it.
    sys.pycache_prefix = str(Path(sys.prefix) / "compiled")
    sys.dont_write_bytecode = False

# Not before that: pytest rewrites and compiles this package, too.
from hypothesis import HealthCheck, settings

if "HOSTD_TEST_COMPILED" in os.environ:
    from hostd.install.compiling import compiled_tree

    sys.path.insert(0, str(compiled_tree(Path(__file__).parents[1])))
    for name in [name for name in sys.modules if name.partition(".")[0] == "router"]:
        del sys.modules[name]

settings.register_profile("hostd", deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile("quick", settings.get_profile("hostd"), max_examples=25)
settings.load_profile("hostd")


class FailuresAtOnce:
    """Names a test when it fails: a whole run takes a quarter of an hour, and tells why only at its end."""

    def __init__(self, terminal: pytest.TerminalReporter) -> None:
        self._terminal = terminal

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Of all workers' tests."""
        if report.failed:
            words = report.longreprtext.splitlines()
            error = next((line[1:].strip() for line in words if line.startswith("E ")), "")
            self._terminal.write_line(f"\nFAILED {report.nodeid} ({report.when}) {error}")


@pytest.hookimpl(trylast=True)
def pytest_configure(config: pytest.Config) -> None:
    """Where there is somebody to read it: not in the workers."""
    if (terminal := config.pluginmanager.get_plugin("terminalreporter")) and not hasattr(config, "workerinput"):
        config.pluginmanager.register(FailuresAtOnce(terminal), "failures at once")
