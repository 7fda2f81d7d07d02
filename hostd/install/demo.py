"""The last step of an installation: a real app, pushed with git over ssh and fetched through the router.

Runs on the caller's side (outside the box, if there is one), with the caller's key.
"""

import http.client
import os
import shlex
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

from hostd.cli.client import Client
from hostd.install.admin import app_exists, ensure_key
from hostd.install.callers import Caller, ssh_key
from hostd.install.errors import InstallError
from hostd.install.progress import note, step
from hostd.settings import Settings
from units.run import run

APP = "hello"
PUSH_SECONDS = 600
FETCH_SECONDS = 90
FIXED_DATE = "2026-01-01T00:00:00Z"


@dataclass(frozen=True)
class Demo:
    """Where the demo finds what it needs."""

    settings: Settings
    known_hosts: Path
    example: Path
    hostctl: str
    caller: Caller
    admin: str
    again: bool = False
    """It was deployed by an earlier run: show it if it still exists."""

    def run(self) -> None:
        """Deploy the example, fetch its page, and tell what next. Raises InstallError when a part fails."""
        client = Client(self.settings.run_dir, self.admin)
        with step("Making sure you have an ssh key"):
            key, new = ssh_key(self.caller)
            ensure_key(client, key.with_suffix(".pub").read_text(encoding="utf-8"))
        note(f"{'made' if new else 'using'} {key}")
        exists = app_exists(client, APP)
        if self.again and not exists:
            return
        if not exists:
            client.request("POST", "/apps", {"name": APP})
        if not self.again:
            note(f"$ git push {self.git_url} main")
            self._push(key)
        with step(f"Fetching {self.url}"):
            page = self._fetch()
        note(f"200, {len(page)} characters")
        self._tell()

    @property
    def url(self) -> str:
        """Where the app lives."""
        port = "" if self.settings.http_port == 80 else f":{self.settings.http_port}"
        return f"http://{APP}.{self.settings.domain}{port}/"

    @property
    def git_url(self) -> str:
        """Where the app is pushed to."""
        port = "" if self.settings.ssh_port == 22 else f":{self.settings.ssh_port}"
        return f"ssh://git@localhost{port}/{APP}.git"

    def _push(self, key: Path) -> None:
        ssh = ["ssh", "-F", "none", "-i", str(key), "-o", "IdentitiesOnly=yes"]
        ssh += ["-o", f"UserKnownHostsFile={self.known_hosts}", "-o", "StrictHostKeyChecking=yes"]
        environment = self.caller.environment(
            GIT_SSH_COMMAND=shlex.join(ssh),
            GIT_CONFIG_GLOBAL="/dev/null",
            GIT_AUTHOR_DATE=FIXED_DATE,
            GIT_COMMITTER_DATE=FIXED_DATE,
        )
        with tempfile.TemporaryDirectory(prefix="hostd-demo-") as folder:
            tree = Path(folder) / APP
            shutil.copytree(self.example, tree)
            for path in (Path(folder), tree, *tree.rglob("*")):
                os.chown(path, self.caller.uid, self.caller.gid)
            who = ["-c", "user.name=hostd", "-c", "user.email=hostd@localhost"]
            for words in ("init -q -b main", "add .", "commit -q -m Hello"):
                argv = self.caller.command(["git", *who, *words.split()])
                run(argv, cwd=tree, env=environment, timeout=60)
            pushed = subprocess.run(
                self.caller.command(["git", "push", self.git_url, "main"]),
                cwd=tree,
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=sys.stderr,
                timeout=PUSH_SECONDS,
                check=False,
            )
        if pushed.returncode != 0:
            raise InstallError(f"the push of {APP} failed; `{self.hostctl} logs -a {APP}` may tell more")

    def _fetch(self) -> str:
        connection = http.client.HTTPConnection("127.0.0.1", self.settings.http_port, timeout=FETCH_SECONDS)
        try:
            connection.request("GET", "/", headers={"Host": f"{APP}.{self.settings.domain}"})
            answer = connection.getresponse()
            page = answer.read().decode("utf-8", errors="replace")
        except (OSError, http.client.HTTPException) as error:
            raise InstallError(f"the router did not answer at {self.url}: {error}") from error
        finally:
            connection.close()
        if answer.status != 200:
            raise InstallError(f"{self.url} answered {answer.status}: {page.strip()[:200]}")
        return page

    def _tell(self) -> None:
        for words in (["ps", "-a", APP], ["releases", "-a", APP]):
            print(f"\n$ hostctl {' '.join(words)}", flush=True)
            subprocess.run([self.hostctl, *words], check=False, timeout=60)
        print(
            f"""
{APP} is live: {self.url}

What next, in a git repository of your own with a Procfile:
  hostctl apps:create             makes an app and the git remote `hostd`
  git push hostd main             deploys it
  hostctl logs -t                 shows its logs as they come
  hostctl help                    shows everything else""",
            flush=True,
        )
