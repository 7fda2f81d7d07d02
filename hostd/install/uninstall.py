"""`hostd-install uninstall`: removes everything the installer made; the data only if asked."""

import contextlib
import shutil
from pathlib import Path

from hostd.install import accounts, managed, network, pool, services, sshd
from hostd.install.apply import JOURNAL, wished_settings
from hostd.install.progress import step
from hostd.settings import Settings
from units.run import run

SUBVOLUME_INODE = 256


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
        _empty(settings.run_dir)
    if data:
        with step(f"Deleting {settings.data_dir}"):
            _delete_data(settings)


def _delete_data(settings: Settings) -> None:
    for subvolume in (*settings.pool_dir.glob("*/*"), *settings.pool_dir.glob("*"), settings.pool_dir):
        if subvolume.is_dir() and subvolume.stat().st_ino == SUBVOLUME_INODE and not subvolume.is_mount():
            run(["btrfs", "subvolume", "delete", str(subvolume)], timeout=120, check=False)
    if settings.pool_dir.is_mount():
        _empty(settings.pool_dir)
    _empty(settings.data_dir)
    if not any(settings.data_dir.iterdir()):
        settings.data_dir.rmdir()
    for journal in JOURNAL.glob("*.hostd"):
        shutil.rmtree(journal, ignore_errors=True)


def _empty(folder: Path) -> None:
    """Delete what is in a folder; mount points stay."""
    if not folder.is_dir():
        return
    for entry in folder.iterdir():
        if entry.is_mount():
            continue
        if entry.is_dir() and not entry.is_symlink():
            shutil.rmtree(entry)
        else:
            entry.unlink()
