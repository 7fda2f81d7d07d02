"""The apps' bare git repositories: made on demand, owned by the user that sshd runs git as."""

from __future__ import annotations

import shutil
from pathlib import Path

from hostd.ledger.apps import App
from hostd.settings import Settings
from units.run import arun

_GIT_USER = "git"
_CONFIG = {
    # Pushed objects are checked, which git does not do by default (git-config(1), receive.fsckObjects).
    "receive.fsckObjects": "true",
    "receive.denyDeletes": "false",
    "receive.denyNonFastForwards": "false",
    "receive.autogc": "false",
    "receive.advertisePushOptions": "false",
    "transfer.hideRefs": "refs/hostd",
    "core.logAllRefUpdates": "true",
    # A push that was taken must outlive a power cut, as its release does; by default git leaves that to luck for
    # branches and for the objects of small pushes (git-config(1), core.fsync).
    "core.fsync": "committed",
    "core.fsyncMethod": "batch",
}
_READY = "hostd-ready"
_ENVIRONMENT = {
    "PATH": "/usr/local/bin:/usr/bin:/bin",
    "HOME": "/nonexistent",
    "GIT_CONFIG_NOSYSTEM": "1",
    "GIT_CONFIG_GLOBAL": "/dev/null",
}
_SECONDS = 30.0


class Repositories:
    """One bare repository for each app, named by the app's id so that renaming an app moves nothing."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings

    async def ensure(self, app: App) -> Path:
        """The app's repository, made if there is none yet. Idempotent, also after a crash half way.

        The user git, who takes bytes from anybody with a key, owns what is inside: root makes an empty directory
        in one that is root's, and leaves the rest to git itself.
        """
        path = self._settings.repository(app.id)
        if (path / _READY).exists():
            return path
        path.mkdir(mode=0o750, exist_ok=True)
        shutil.chown(path, _GIT_USER, _GIT_USER)
        await _as_git("git", "init", "--quiet", "--bare", "--initial-branch=main", str(path))
        for key, value in _CONFIG.items():
            await _as_git("git", "--git-dir", str(path), "config", key, value)
        await _as_git("touch", str(path / _READY))
        return path

    def delete(self, app: App) -> None:
        """Delete the repository of an app that is gone."""
        path = self._settings.repository(app.id)
        if path.exists():
            shutil.rmtree(path)


async def _as_git(*argv: str) -> None:
    user = ("setpriv", f"--reuid={_GIT_USER}", f"--regid={_GIT_USER}", "--clear-groups", "--inh-caps=-all")
    await arun([*user, *argv], env=_ENVIRONMENT, timeout=_SECONDS)
