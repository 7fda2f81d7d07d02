"""What all tests run under: where Python keeps what it compiles, and how Hypothesis looks for examples.

tests/run leaves nothing in the checkout. Without another place for compiled modules, whose asserts pytest rewrites,
every worker of every run would begin with five seconds of compiling. Examples are the same in every run, and may
take their time: a busy machine is no failure.
"""

import os
import sys
from pathlib import Path

from hypothesis import HealthCheck, settings

if "HOSTD_TEST_CACHE" in os.environ:
    # In the virtual environment that tests/run made, and gone with it.
    sys.pycache_prefix = str(Path(sys.prefix) / "compiled")
    sys.dont_write_bytecode = False

settings.register_profile("hostd", deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("hostd")
