"""Mounts of a box on the machine's side: the overlay root and the pool image."""

import contextlib
from pathlib import Path

from hostd.box.errors import BoxError
from hostd.box.run import run

OVERLAY_HINT = (
    "the box's directory must lie on a disk file system (ext4, xfs, btrfs), not on another overlay: "
    "choose one with --data-dir"
)


def mount_overlay(upper: Path, work: Path, target: Path) -> None:
    """Mount the machine's root, copy-on-write, at `target`; changes go to `upper`.

    overlayfs takes only the root file system itself, without what is mounted below it
    (Documentation/filesystems/overlayfs: layers are private clones of one mount).
    """
    layers = f"lowerdir=/,upperdir={upper},workdir={work}"
    try:
        run(["mount", "-t", "overlay", "hostd-box", "-o", layers, target])
    except BoxError as error:
        raise BoxError(f"{error}; {OVERLAY_HINT}") from error


def make_pool(image: Path, size: int) -> None:
    """Create `image` as a sparse file of `size` bytes with btrfs in it, or grow an existing smaller one.

    Only root may read it: it holds every app's code.
    """
    if image.exists():
        image.chmod(0o600)
        if image.stat().st_size < size:
            with image.open("r+b") as file:
                file.truncate(size)
        return
    draft = image.with_suffix(".new")
    with draft.open("wb") as file:
        file.truncate(size)
    draft.chmod(0o600)
    run(["mkfs.btrfs", "--quiet", "--force", "--label", "hostd-pool", draft])
    draft.rename(image)


def mount_pool(image: Path, target: Path) -> None:
    """Loop-mount the pool image; a box has no loop devices of its own, so this happens outside."""
    run(["mount", "-t", "btrfs", "-o", "loop,noatime", image, target])
    fill_image(image, target)


def fill_image(image: Path, target: Path) -> None:
    """Let the file system mounted at `target` have all of `image`, which may have grown."""
    # A loop device keeps the size that its image had.
    for device in run(["losetup", "--noheadings", "--output=NAME", f"--associated={image}"]).split():
        run(["losetup", "--set-capacity", device])
    run(["btrfs", "filesystem", "resize", "max", target])


def unmount(target: Path) -> None:
    """Unmount everything that lies on `target`, deepest first; nothing there is fine.

    A mount point still in use is detached at once and freed by the kernel when its last user ends.
    """
    for mounted in reversed([path for path in mount_points() if path == target or target in path.parents]):
        with contextlib.suppress(BoxError):
            run(["umount", mounted])
            continue
        run(["umount", "--lazy", mounted])


def mount_points() -> list[Path]:
    """Every mount point of this process's mount namespace, in mount order (proc(5), mountinfo)."""
    lines = Path("/proc/self/mountinfo").read_text(encoding="utf-8").splitlines()
    return [Path(_unescape(line.split()[4])) for line in lines]


def _unescape(text: str) -> str:
    """Undo mountinfo's octal escapes of blank, tab, newline and backslash."""
    for code, char in (("\\040", " "), ("\\011", "\t"), ("\\012", "\n"), ("\\134", "\\")):
        text = text.replace(code, char)
    return text
