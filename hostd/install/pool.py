"""The btrfs pool: a subvolume where the data lies on btrfs, else a sparse image that is mounted at boot."""

import os
import shutil
from pathlib import Path

from hostd.install.errors import InstallError
from hostd.install.managed import mount_unit
from hostd.settings import Settings
from units.run import run

GIB = 1024**3
SMALLEST = 2 * GIB
USUAL = 50 * GIB
SHARE = 0.75
"""Of the free disk: the rest stays for the ledger, the repositories and the journal."""


def pool_image(settings: Settings) -> Path | None:
    """The image that holds the pool, or None when the pool is on a btrfs that is there by itself."""
    image = settings.pool_image
    if image.exists():
        return image
    if settings.pool_dir.is_dir() and filesystem(settings.pool_dir) == "btrfs":
        return None
    return None if filesystem(settings.data_dir) == "btrfs" else image


def prepare_pool(settings: Settings, image: Path | None, size: int | None) -> str:
    """Make the pool if there is none, or grow its image to `size` bytes; returns one line that says what it
    is.

    The mount unit must be known to systemd already. Raises InstallError when the disk is too small.
    """
    if image is None:
        if not settings.pool_dir.exists():
            run(["btrfs", "subvolume", "create", str(settings.pool_dir)], timeout=60)
        return f"{settings.pool_dir} is on btrfs"
    settings.pool_dir.mkdir(exist_ok=True)
    if not image.exists():
        _make_image(image, size or usual_size(shutil.disk_usage(settings.data_dir).free))
    elif size is not None and size > image.stat().st_size:
        os.truncate(image, size)
    # It holds every app's code.
    image.chmod(0o600)
    run(["systemctl", "enable", "--now", mount_unit(settings.pool_dir)], timeout=120)
    # A loop device keeps the size that its image had.
    for device in run(["losetup", "--noheadings", "--output=NAME", f"--associated={image}"], timeout=30).text.split():
        run(["losetup", "--set-capacity", device], timeout=30)
    run(["btrfs", "filesystem", "resize", "max", str(settings.pool_dir)], timeout=120)
    return f"{image}, sparse, at most {image.stat().st_size / GIB:.0f} GiB"


def usual_size(free: int) -> int:
    """The size in bytes of a new image on a disk with `free` bytes: whole GiB, some of the disk left over."""
    size = int(min(USUAL, free * SHARE)) // GIB * GIB
    if size < SMALLEST:
        needed = SMALLEST / SHARE / GIB
        raise InstallError(f"too little disk: {free / GIB:.1f} GiB free, at least {needed:.0f} GiB needed")
    return size


def filesystem(path: Path) -> str:
    """The type of the file system that `path`, or its nearest existing parent, lies on."""
    while not path.exists():
        path = path.parent
    return run(["stat", "--file-system", "--format=%T", str(path)], timeout=30).text.strip()


def _make_image(image: Path, size: int) -> None:
    draft = image.with_suffix(".new")
    with draft.open("wb") as file:
        file.truncate(size)
    run(["mkfs.btrfs", "--quiet", "--force", "--label", "hostd-pool", str(draft)], timeout=120)
    draft.rename(image)
