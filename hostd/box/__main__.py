"""`python3 -m hostd.box ...`: the `hostctl box` commands from a checkout."""

import sys

from hostd.box.cli import main

sys.exit(main())
