"""`hostd-install uninstall`: removes everything the installer made; the data only if asked."""

import contextlib
import shutil
from pathlib import Path

from hostd.box.mounts import mount_points
from hostd.install import accounts, managed, network, pool, services, sshd
from hostd.install.apply import JOURNAL, wished_settings
from hostd.install.progress import step
from hostd.settings import Settings
from slugs import subvolumes
from units.leftovers import left
from units.run import run

SUBVOLUME_INODE = 256
LOGPLEX_STATE = Path("/var/lib/hostd-logplex")
RUNTIME = Path("/run/systemd")


def uninstall(*, data: bool) -> None:
    """Stop and remove the platform. With `data`, delete ledger, repositories, slugs and logs too."""
    settings = wished_settings(managed.SETTINGS_FILE, {})
    image = pool.pool_image(settings)
    with step("Stopping hostd, router, logplex, builds and dynos"):
        services.stop_everything()
        network.remove_networks(settings)
    with step("Removing units, users and settings"):
        sshd.remove_sshd()
        if image is not None:
            run(["systemctl", "disable", "--now", managed.mount_unit(settings.pool_dir)], timeout=120, check=False)
        for own_sshd in (True, False):
            for file in managed.managed_files(settings, own_sshd=own_sshd, pool_image=image):
                file.path.unlink(missing_ok=True)
        # The operator may have put drop-ins of their own beside ours.
        for drop_in in (managed.APP_SLICES, managed.JOURNAL_RESTART):
            with contextlib.suppress(OSError):
                drop_in.parent.rmdir()
        services.reload_systemd()
        accounts.remove_accounts()
        shutil.rmtree(managed.ETC, ignore_errors=True)
        if settings.run_dir in mount_points():
            _empty(settings.run_dir)
        else:
            shutil.rmtree(settings.run_dir, ignore_errors=True)
        managed.remove_retired()
        for limits in managed.ETC_SYSTEMD.glob("journald@hostd-*.conf"):
            limits.unlink()
        # systemd leaves these when what they are for has ended.
        for journal in (RUNTIME / "journal.hostd", *RUNTIME.glob("journal.hostd-*")):
            shutil.rmtree(journal, ignore_errors=True)
        for leftover in left("hostd-*.service"):
            leftover.unlink(missing_ok=True)
    if data:
        with step(f"Deleting {settings.data_dir}"):
            _delete_data(settings)


def delete_subvolumes(pool: Path) -> None:
    """The pool, if it is one and not mounted, else those in it, however deep: slugs cannot be written to, and so not be
    deleted as folders are. Raises BtrfsUtilError."""
    mounted = set(mount_points())
    for depth in ([pool], pool.glob("*"), pool.glob("*/*")):
        for path in depth:
            # To Path.is_mount, as to os.path.ismount, every subvolume is one.
            if path not in mounted and path.is_dir() and path.stat().st_ino == SUBVOLUME_INODE:
                subvolumes.delete_with_all_inside(path)


def _delete_data(settings: Settings) -> None:
    delete_subvolumes(settings.pool_dir)
    if settings.pool_dir in mount_points():
        _empty(settings.pool_dir)
    _empty(settings.data_dir)
    shutil.rmtree(LOGPLEX_STATE, ignore_errors=True)
    if not any(settings.data_dir.iterdir()):
        settings.data_dir.rmdir()
    for journal in (*JOURNAL.glob("*.hostd"), *JOURNAL.glob("*.hostd-*")):
        shutil.rmtree(journal, ignore_errors=True)


def _empty(folder: Path) -> None:
    """Delete what is in a folder; mount points stay."""
    if not folder.is_dir():
        return
    mounted = set(mount_points())
    for entry in folder.iterdir():
        if entry in mounted:
            continue
        if entry.is_dir() and not entry.is_symlink():
            shutil.rmtree(entry)
        else:
            entry.unlink()
