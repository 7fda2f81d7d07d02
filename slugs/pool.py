"""The btrfs pool: builds, slugs, dyno snapshots and build caches, each a subvolume.

Every call is a few short ioctls; btrfsutil holds the interpreter lock meanwhile, so anything that walks a tree or
waits for the disk (`slugs.tree`, `slugs.trash`) runs in another process instead. Deletions are idempotent.
"""

from __future__ import annotations

import errno
import logging
import os
import re
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import btrfsutil

from slugs import subvolumes
from slugs.errors import NoSuchSubvolume, NotBtrfs, PoolFull, PoolReadOnly

log = logging.getLogger(__name__)

FOLDERS = ("stacks", "slugs", "manifests", "dynos", "builds", "caches", "scratch", "trash")
SCRATCH_FOLDERS = {"tmp": Path("/tmp"), "var-tmp": Path("/var/tmp")}
"""Folders for temporary files, and where a sandbox sees them."""

_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._@:-]{0,239}")
_BORROWED = ".cache"
_SUCCESSOR = ".successor"
_RETURNED = ".returned"
_OWNER = ".ledger"


class Pool:
    """The directory `root` on btrfs with one folder per kind of subvolume, closed to everyone but root."""

    def __init__(self, root: Path, image: Path | None = None) -> None:
        """Makes the folders that are missing. Raises NotBtrfs when `root` is on another file system, PoolReadOnly.

        `image` is the file that holds the pool, if one does: what its disk has not, the pool has not either.
        """
        self.root = root
        self.thrown_away: Callable[[], object] = lambda: None
        """Called when something went into the trash."""
        self._image = image
        root.mkdir(parents=True, exist_ok=True)
        try:
            btrfsutil.subvolume_id(str(root))
        except btrfsutil.BtrfsUtilError as error:
            raise NotBtrfs(
                f"{root} is not on btrfs ({os.strerror(error.errno)}): mount a btrfs file system there, "
                "or let install.sh make one"
            ) from error
        with self.noticing_full():
            root.chmod(0o700)
            for folder in FOLDERS:
                (root / folder).mkdir(mode=0o755, exist_ok=True)

    # Whose it is

    def owner(self) -> str | None:
        """The identity of the ledger that the pool belongs to; None for a pool that was never claimed."""
        try:
            return (self.root / _OWNER).read_text().strip()
        except FileNotFoundError:
            return None

    def claim(self, owner: str) -> None:
        """Marks the pool, durably, as belonging to the ledger of that identity."""
        draft = self.root / f"{_OWNER}.new"
        with self.noticing_full(), draft.open("w") as file:
            file.write(f"{owner}\n")
            file.flush()
            os.fsync(file.fileno())
        draft.rename(self.root / _OWNER)

    # Builds

    def create_build(self, build_id: str, uid: int) -> Path:
        """An empty writable subvolume owned by `uid`; replaces what an interrupted build of that id left."""
        self.delete_build(build_id)
        return self._create("builds", build_id, uid)

    def create_successor(self, build_id: str, slug_id: str) -> Path:
        """A writable copy of the slug `slug_id`; made equal to the build's tree, it becomes the slug in its place."""
        self._delete("builds", build_id + _SUCCESSOR)
        return self._snapshot(self.slug(slug_id), self._path("builds", build_id + _SUCCESSOR))

    def freeze(self, build_id: str, slug_id: str) -> Path:
        """Turns a build into the read-only slug `slug_id`, durably, and drops the build but for a cache it borrowed.

        The slug appears in one step, complete and read-only: a read-only snapshot, because the kernel refuses
        to move a read-only subvolume to another directory, and because making a snapshot writes the tree's
        data to disk, which setting a flag does not. Calling it again after an interruption is harmless.
        """
        slug = self._path("slugs", slug_id)
        if not slug.exists():
            successor = self._path("builds", build_id + _SUCCESSOR)
            tree = successor if successor.exists() else self._existing("builds", build_id)
            self._snapshot(tree, slug, read_only=True)
        with suppress(FileNotFoundError):
            self.manifest(build_id).rename(self.manifest(slug_id))
        self._delete_trees(build_id)
        return slug

    def finish_build(self, app_id: str, build_id: str, slug_id: str, previous: str | None = None) -> Path:
        """Makes a build the slug `slug_id`, and the cache that it borrowed the app's: both or, failing, none.

        `previous` is the slug before it, whose manifest nobody needs any more.
        """
        slug = self.freeze(build_id, slug_id)
        try:
            with self.noticing_full():
                self.return_cache(app_id, build_id)
        except BaseException:
            self.delete_slug(slug_id)
            raise
        if previous is not None:
            self.manifest(previous).unlink(missing_ok=True)
        return slug

    def delete_build(self, build_id: str) -> None:
        """Drops a build, its temporary files, the cache it borrowed and the manifest that was not used."""
        self._delete_trees(build_id)
        self._delete("builds", build_id + _BORROWED)
        with self.noticing_full():
            self.manifest(build_id).unlink(missing_ok=True)

    # Slugs and dynos

    def slug(self, slug_id: str) -> Path:
        """Where the slug is: the only way to one. Raises NoSuchSubvolume."""
        return self._existing("slugs", slug_id)

    def has_slug(self, slug_id: str) -> bool:
        """Whether the slug's files are there."""
        return self._path("slugs", slug_id).exists()

    def manifest(self, name: str) -> Path:
        """Where the digests of a slug's files (`slugs.tree`) are, or those of a build that is no slug yet.

        Only the newest slug of an app has them, and the one after it can do without.
        """
        return self._path("manifests", name)

    def snapshot(self, slug_id: str, name: str) -> Path:
        """A fresh writable copy of a slug for the dyno `name`; replaces a left-over one."""
        source = self.slug(slug_id)
        self._delete("dynos", name)
        return self._snapshot(source, self._path("dynos", name))

    def delete_dyno(self, name: str) -> None:
        """Drops a dyno's files, the temporary ones too. The dyno must have stopped."""
        self._delete("scratch", name)
        self._delete("dynos", name)

    def delete_slug(self, slug_id: str) -> None:
        """Drops a slug. Snapshots made of it live on."""
        self._throw_away("slugs", slug_id)
        self.manifest(slug_id).unlink(missing_ok=True)

    def scratch(self, name: str) -> Path:
        """A fresh folder for the temporary files (SCRATCH_FOLDERS) of the dyno or build that is called `name`.

        In the pool, so that an app which fills its disk fills nothing but the pool. Goes with the dyno or build,
        which must be there already.
        """
        self._delete("scratch", name)
        path = self._create("scratch", name, 0)
        with self.noticing_full():
            for kind in SCRATCH_FOLDERS:
                (path / kind).mkdir()
                (path / kind).chmod(0o1777)
        return path

    def dyno_folders(self, name: str) -> list[Path]:
        """Where the dyno of that name may write."""
        return [self._path("dynos", name), self._path("scratch", name)]

    def generation(self, folder: Path) -> int:
        """A number of a folder that grows when what changed in it was written to disk; 0 for one that is gone."""
        return subvolumes.generation(folder)

    def origin(self, name: str) -> Path | None:
        """The slug of which a dyno has a snapshot; None if one of them is gone."""
        return subvolumes.origin(self._path("dynos", name), map(self.slug, self.slugs()))

    # Stacks

    def stack(self, ref: str) -> Path:
        """Where a version of a stack is, by its NAME@VERSION. Raises NoSuchSubvolume."""
        return self._existing("stacks", ref)

    def freeze_stack(self, build_id: str, ref: str) -> Path:
        """Turns a build into the read-only stack `ref`, in one step; see `freeze`."""
        return self._snapshot(self._existing("builds", build_id), self._path("stacks", ref), read_only=True)

    def delete_stack(self, ref: str) -> None:
        """Drops a version of a stack. Nothing may run on it any more."""
        self._delete("stacks", ref)

    # Caches

    def cache(self, app_id: str, uid: int) -> Path:
        """The app's build cache, made empty at the first call."""
        path = self._path("caches", app_id)
        return path if path.exists() else self._create("caches", app_id, uid)

    def has_cache(self, app_id: str) -> bool:
        """Whether the app has a build cache."""
        return self._path("caches", app_id).exists()

    def borrow_cache(self, app_id: str, build_id: str, uid: int) -> Path:
        """A writable copy of the app's cache for one build, so that a failed build cannot damage it."""
        self._delete("builds", build_id + _BORROWED)
        return self._snapshot(self.cache(app_id, uid), self._path("builds", build_id + _BORROWED))

    def return_cache(self, app_id: str, build_id: str) -> None:
        """Makes the copy that a successful build borrowed the app's cache.

        Interrupted half way, the app is left without a cache until `finish_returns`; harmless.
        """
        returned = self._path("caches", app_id + _RETURNED)
        self._delete("caches", app_id + _RETURNED)
        self._existing("builds", build_id + _BORROWED).rename(returned)
        self._delete("caches", app_id)
        returned.rename(self._path("caches", app_id))

    def finish_returns(self) -> None:
        """Completes what interrupted calls of `return_cache` left: what was to become a cache becomes it."""
        for name in self._names("caches"):
            if name.endswith(_RETURNED):
                self._delete("caches", name.removesuffix(_RETURNED))
                self._path("caches", name).rename(self._path("caches", name.removesuffix(_RETURNED)))

    def drop_cache(self, app_id: str) -> None:
        """Forgets the app's build cache."""
        self._delete("caches", app_id)
        self._delete("caches", app_id + _RETURNED)

    # Trash

    def empty_trash(self) -> int:
        """Deletes what was thrown away; how many there were. Slow: see `slugs.trash`."""
        names = self._names("trash")
        for name in names:
            path = self._path("trash", name)
            try:
                subvolumes.delete_with_all_inside(path)
            except btrfsutil.BtrfsUtilError as error:
                # Somebody else may be emptying it too, and one that stays must not keep the others.
                if error.errno != errno.ENOENT:
                    log.warning("%s cannot be deleted now: %s", path, error)
        return len(names)

    def has_trash(self) -> bool:
        """Whether there is anything for `empty_trash`."""
        return any((self.root / "trash").iterdir())

    def drop_stray_manifests(self) -> None:
        """Drops the manifests of slugs that are not there."""
        for name in set(self._names("manifests")) - set(self.slugs()):
            self.manifest(name).unlink(missing_ok=True)

    # What there is

    def stacks(self) -> list[str]:
        """Names of the stacks, sorted; so for the other folders."""
        return self._names("stacks")

    def slugs(self) -> list[str]:
        """Ids of the slugs."""
        return self._names("slugs")

    def dynos(self) -> list[str]:
        """Names of the dyno snapshots."""
        return self._names("dynos")

    def builds(self) -> list[str]:
        """Ids of the builds, running or left over."""
        return sorted({name.removesuffix(_BORROWED).removesuffix(_SUCCESSOR) for name in self._names("builds")})

    def caches(self) -> list[str]:
        """Ids of the apps that have a build cache."""
        return sorted({name.removesuffix(_RETURNED) for name in self._names("caches")})

    def free_bytes(self) -> int:
        """Bytes that can still be written."""
        status = os.statvfs(self.root)
        free = status.f_bavail * status.f_frsize
        if self._image is None or not self._image.exists():
            return free
        disk = os.statvfs(self._image)
        return writable(free, self.used_bytes(), self._image.stat().st_blocks * 512, disk.f_bavail * disk.f_frsize)

    def used_bytes(self) -> int:
        """Bytes that files take, and the file system's own books, of which `free_bytes` tells late."""
        status = os.statvfs(self.root)
        return (status.f_blocks - status.f_bfree) * status.f_frsize

    def total_bytes(self) -> int:
        """Size of the file system in bytes."""
        status = os.statvfs(self.root)
        return status.f_blocks * status.f_frsize

    # Helpers

    def _path(self, folder: str, name: str) -> Path:
        if not _NAME.fullmatch(name):
            raise ValueError(f"{name!r} is no name for a subvolume")
        return self.root / folder / name

    def _existing(self, folder: str, name: str) -> Path:
        path = self._path(folder, name)
        if not path.exists():
            raise NoSuchSubvolume(f"{folder}/{name} is not in the pool {self.root}")
        return path

    def _names(self, folder: str) -> list[str]:
        return sorted(path.name for path in (self.root / folder).iterdir() if _NAME.fullmatch(path.name))

    def _create(self, folder: str, name: str, uid: int) -> Path:
        path = self._path(folder, name)
        with self.noticing_full():
            btrfsutil.create_subvolume(str(path))
        os.chown(path, uid, uid, follow_symlinks=False)
        return path

    def _snapshot(self, source: Path, target: Path, *, read_only: bool = False) -> Path:
        with self.noticing_full():
            btrfsutil.create_snapshot(str(source), str(target), read_only=read_only)
        return target

    def _delete_trees(self, build_id: str) -> None:
        self._delete("scratch", build_id)
        self._throw_away("builds", build_id)
        self._throw_away("builds", build_id + _SUCCESSOR)

    def _delete(self, folder: str, name: str) -> None:
        path = self._path(folder, name)
        try:
            btrfsutil.delete_subvolume(str(path))
        except btrfsutil.BtrfsUtilError as error:
            if error.errno == errno.ENOTEMPTY:
                # An app has made subvolumes of its own inside, perhaps thousands.
                self._throw_away(folder, name)
            elif error.errno != errno.ENOENT:
                # Swept up when hostd starts again: no app may stop it by what it leaves behind.
                log.warning("%s cannot be deleted now: %s", path, error)

    def _throw_away(self, folder: str, name: str) -> None:
        """Into the trash with what may be large: deleting it would wait until the kernel's cache of it is gone."""
        path = self._path(folder, name)
        try:
            # The kernel does not move what is read-only.
            btrfsutil.set_subvolume_read_only(str(path), False)
            path.rename(self.root / "trash" / uuid.uuid4().hex)
        except OSError as error:
            if error.errno != errno.ENOENT:
                log.warning("%s cannot be deleted now: %s", path, error)
        else:
            self.thrown_away()

    @contextmanager
    def noticing_full(self) -> Iterator[None]:
        """Raises PoolFull, with the numbers, for the ENOSPC of what is done inside, and PoolReadOnly for EROFS."""
        try:
            yield
        except OSError as error:
            if error.errno == errno.EROFS:
                raise PoolReadOnly(
                    f"The slug store {self.root} is read-only, as the kernel makes it when a disk has errors (dmesg). "
                    f"What runs goes on. Try `mount -o remount,rw {self.root}` when the cause is gone"
                ) from error
            if error.errno not in (errno.ENOSPC, errno.EDQUOT):
                raise
            raise PoolFull(
                f"The slug store is full: {size(self.free_bytes())} of {size(self.total_bytes())} free"
            ) from error


def writable(free: int, used: int, allocated: int, disk_free: int) -> int:
    """Bytes that a pool in a sparse image can take: `free` ones of its own, for which the disk must have room too.

    The image has `allocated` bytes of the disk already, of which the pool's files use `used`.
    """
    return min(free, max(0, allocated - used) + disk_free)


def size(count: int) -> str:
    """A number of bytes as Heroku prints it: 66K, 8.3M, 1.2G."""
    for unit, factor in (("G", 1 << 30), ("M", 1 << 20)):
        if count >= factor:
            return f"{count / factor:.1f}{unit}"
    return f"{-(-count // 1024)}K"
