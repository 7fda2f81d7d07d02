"""The apps' bare git repositories: made on demand, owned by the user that sshd runs git as."""

from __future__ import annotations

import os
import pwd
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
}


class Repositories:
    """One bare repository for each app, named by the app's id so that renaming an app moves nothing."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings

    async def ensure(self, app: App) -> Path:
        """The app's repository, made if there is none yet. Idempotent, also after a crash half way."""
        path = self._settings.repository(app.id)
        if (path / "hostd-ready").exists():
            return path
        await arun(["git", "init", "--quiet", "--bare", "--initial-branch=main", str(path)], timeout=30.0)
        for key, value in _CONFIG.items():
            await arun(["git", "--git-dir", str(path), "config", key, value], timeout=30.0)
        (path / "hostd-ready").touch()
        _give(path, pwd.getpwnam(_GIT_USER))
        return path

    def delete(self, app: App) -> None:
        """Delete the repository of an app that is gone."""
        path = self._settings.repository(app.id)
        if path.exists():
            shutil.rmtree(path)


def _give(top: Path, owner: pwd.struct_passwd) -> None:
    os.chown(top, owner.pw_uid, owner.pw_gid)
    for directory, folders, files in os.walk(top):
        for name in [*folders, *files]:
            os.chown(Path(directory) / name, owner.pw_uid, owner.pw_gid, follow_symlinks=False)
