"""The ways out that the box tries, on a server with a kernel of its own and control groups of version 2."""

import pytest

from tests.box.test_ways_out import *  # noqa: F403

# Not all of them name the platform, and each kind of server is one.
pytestmark = pytest.mark.usefixtures("platform")
