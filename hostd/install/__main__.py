"""`python -m hostd.install`: the same as `hostd-install`."""

import sys

from hostd.install import main

sys.exit(main())
