"""The box: a real systemd on a machine whose PID 1 is something else.

A box is `systemd-nspawn` booting an overlay of the machine's own root. Its changes are kept on disk, its
btrfs pool is a loop-mounted image, it shares the machine's network, and its resource limits work. This
package runs outside the box with the machine's plain Python, so it imports nothing beyond the standard
library.
"""

from hostd.box.box import Box, Status
from hostd.box.errors import BoxError

__all__ = ["Box", "BoxError", "Status"]
