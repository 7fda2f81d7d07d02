"""Users, groups and directories: declared in sysusers.d and tmpfiles.d, made by systemd's own tools."""

import pwd
import re
from pathlib import Path

from hostd.install.errors import InstallError
from hostd.install.managed import VENV
from hostd.logplex.key import ensure_key
from hostd.settings import Settings
from units.run import run

HOSTCTL = Path("/usr/local/bin/hostctl")
APP_USER = re.compile(r"hostd-\d+")
USERS = ("git", "hostd-router", "hostd-logplex", "hostd-networks", "hostd-rendezvous", "hostd-alerts")
"""Those that `sysusers.conf` declares."""


def make_accounts(settings: Settings) -> None:
    """Make users and groups, then directories with their owners, and the key of log sessions."""
    _refuse_foreign_git(settings)
    run(["systemd-sysusers", "/etc/sysusers.d/hostd.conf"], timeout=60)
    # sysusers locks the password with "!", which sshd without PAM takes for a locked account (sshd(8), LOGIN
    # PROCESS).
    run(["usermod", "--password", "*", "git"], timeout=30)
    run(["systemd-tmpfiles", "--create", "/etc/tmpfiles.d/hostd.conf"], timeout=60)
    ensure_key()


def give_back_repositories(settings: Settings) -> None:
    """Hand kept repositories to the user git, whose uid may have changed since they were made."""
    git = pwd.getpwnam("git")
    for repository in settings.repos_dir.glob("*.git"):
        if repository.stat().st_uid != git.pw_uid:
            run(["chown", "--recursive", "git:git", str(repository)], timeout=600)


def link_hostctl() -> None:
    """Put `hostctl` on the PATH."""
    target = VENV / "bin/hostctl"
    if not HOSTCTL.is_symlink() or HOSTCTL.readlink() != target:
        HOSTCTL.unlink(missing_ok=True)
        HOSTCTL.parent.mkdir(parents=True, exist_ok=True)
        HOSTCTL.symlink_to(target)


def remove_accounts() -> None:
    """Remove the users, those of apps too, and the group."""
    apps = [entry.pw_name for entry in pwd.getpwall() if APP_USER.fullmatch(entry.pw_name)]
    # A login through the system's ssh server leaves a session behind, and userdel spares whom it finds at work.
    run(["loginctl", "terminate-user", "git"], timeout=30, check=False)
    for user in (*USERS, *apps):
        run(["userdel", "--force", user], timeout=30, check=False)
    run(["groupdel", "hostd"], timeout=30, check=False)
    if HOSTCTL.is_symlink() and HOSTCTL.readlink() == VENV / "bin/hostctl":
        HOSTCTL.unlink()


def _refuse_foreign_git(settings: Settings) -> None:
    try:
        home = pwd.getpwnam("git").pw_dir
    except KeyError:
        return
    if home != str(settings.git_home):
        raise InstallError(
            f"this machine has a user git already (home {home}), perhaps of another git service; hostd needs that name"
        )
