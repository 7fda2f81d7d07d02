"""Memory, load and processor time of dynos as control groups of version 2 have them: all that the box tries."""

import pytest

from tests.box.test_metrics import *  # noqa: F403

# Not all of them name the platform, and each kind of server is one.
pytestmark = pytest.mark.usefixtures("platform")
