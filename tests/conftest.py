"""Where Python keeps what it compiles of the project and its tests, whose asserts pytest rewrites.

tests/run leaves nothing in the checkout. Without another place every worker of every run would begin with five
seconds of compiling.
"""

import os
import sys
from pathlib import Path

if "HOSTD_TEST_CACHE" in os.environ:
    # In the virtual environment that tests/run made, and gone with it.
    sys.pycache_prefix = str(Path(sys.prefix) / "compiled")
    sys.dont_write_bytecode = False
