"""git over ssh: what is pushed where, what is refused and how, and what a push that is broken off leaves."""

from __future__ import annotations

import itertools
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from hostd.deploys.transcript import problem
from tests.support.apps import made
from tests.support.endless import BUILDING, ENDLESS, MIGRATING, WEB, pushing
from tests.support.estate import settled, survey
from tests.support.formation import current, wait_for_formation
from tests.support.platform import USER, Platform, add_user
from tests.support.terminal import CTRL_C
from tests.support.waiting import wait_until

APP = "pushed-to"
EVERYTHING = ("units", "dynos", "builds", "slugs", "environments", "pending_builds")

Repository = Callable[..., Path]


class Pages:
    """A working tree whose page is another one at every commit, and the app it is pushed to."""

    def __init__(self, platform: Platform, directory: Path) -> None:
        self.platform, self.directory = platform, directory
        self._texts = (f"page {number}\n" for number in itertools.count(1))

    def commit(self) -> str:
        """Commit a new page; returns its text."""
        text = next(self._texts)
        self.platform.commit({**WEB, "index.html": text}, self.directory)
        return text

    def push(self, what: str, *options: str) -> str:
        """Push and return what was said."""
        return self.platform.push(self.directory, APP, what, *options).stderr

    def git(self, *words: str) -> str:
        """Run git in the working tree and return what it printed."""
        return self.platform.git(self.directory, *words).stdout

    def remote(self, ref: str) -> str:
        """What a ref of the app's repository names."""
        return self.git("ls-remote", self.platform.git_url(APP), ref).partition("\t")[0]


@pytest.fixture(scope="module")
def pages(platform: Platform, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pages]:
    """An app whose main has been pushed once."""
    with made(platform, APP):
        pages = Pages(platform, tmp_path_factory.mktemp("git") / "pages")
        pages.commit()
        pages.push("main")
        yield pages


@pytest.fixture
def stranger(platform: Platform, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A key that nobody has given to hostd."""
    key = tmp_path_factory.mktemp("stranger") / "id_ed25519"
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(key)], check=True)
    return key


def test_a_second_push_another_branch_as_main_and_a_forced_push_all_deploy(platform: Platform, pages: Pages) -> None:
    def assert_deploys(text: str, what: str, *options: str) -> None:
        before = current(platform, APP)
        assert f"Launching... done, v{before + 1}" in pages.push(what, *options)
        assert platform.http_get(APP).text == text

    assert_deploys(pages.commit(), "main")
    pages.git("checkout", "-q", "-b", "other")
    assert_deploys(pages.commit(), "other:main")
    pages.git("checkout", "-q", "main")
    text = pages.commit()
    refused = platform.push(pages.directory, APP, "main", check=False)
    assert refused.returncode == 1
    assert "non-fast-forward" in refused.stderr
    assert_deploys(text, "main", "--force")
    assert_deploys(text, "main:master")


def test_another_branch_is_stored_and_deploys_nothing(platform: Platform, pages: Pages) -> None:
    before = current(platform, APP)
    pages.commit()
    said = pages.push("main:topic", "--force")
    assert "-----> Branch topic stored. Only main or master deploys: git push <remote> topic:main" in said
    assert pages.remote("refs/heads/topic") == pages.git("rev-parse", "main").strip()
    assert current(platform, APP) == before


def test_what_was_pushed_can_be_cloned_and_fetched(platform: Platform, pages: Pages, tmp_path: Path) -> None:
    clone = tmp_path / "clone"
    platform.git(tmp_path, "clone", "-q", platform.git_url(APP), str(clone))
    assert platform.git(clone, "branch", "--show-current").stdout == "main\n"
    assert platform.git(clone, "rev-parse", "HEAD").stdout.strip() == pages.remote("refs/heads/main")
    assert (clone / "index.html").read_text().startswith("page ")

    pages.commit()
    pages.push("main:news", "--force")
    platform.git(clone, "fetch", "-q")
    assert platform.git(clone, "rev-parse", "origin/news").stdout == pages.git("rev-parse", "main")


def test_the_deployed_branch_cannot_be_deleted(platform: Platform, pages: Pages) -> None:
    refused = platform.push(pages.directory, APP, ":main", check=False)
    assert refused.returncode == 1
    assert "main is what was deployed and cannot be deleted" in refused.stderr
    assert pages.remote("refs/heads/main")


@pytest.mark.parametrize(
    "files, doing, unit",
    [(ENDLESS, BUILDING, "hostd-build-"), (MIGRATING, "migrating without end", "hostd-t-")],
    ids=["build", "release-command"],
)
def test_ctrl_c_on_a_push_cancels_it_and_leaves_nothing(
    platform: Platform, app: str, repository: Repository, files: dict[str, str], doing: str, unit: str
) -> None:
    directory = repository(files)
    before = survey(platform)
    with pushing(platform, directory, app, doing) as terminal:
        assert [name for name in units(platform) if name.startswith(unit)]
        terminal.type(CTRL_C)
        terminal.wait()
    settled(platform)
    after = survey(platform)
    assert {name: after[name] for name in EVERYTHING} == {name: before[name] for name in EVERYTHING}
    assert current(platform, app) == 1
    assert platform.git(directory, "ls-remote", platform.git_url(app)).stdout == ""
    assert platform.run(["find", "/var/lib/hostd/master/repos", "-name", "*incoming*"]).stdout == ""
    assert "Build failed: cancelled: the client went away" in platform.hostctl("logs", "-a", app).stdout

    pushed = platform.push(platform.commit({**WEB, "requirements.txt": ""}, directory), app)
    assert "Launching... done, v2" in pushed.stderr


def test_of_two_pushes_at_once_the_second_is_told_who_is_deploying(
    platform: Platform, app: str, repository: Repository
) -> None:
    directory = repository(ENDLESS)
    commit = platform.git(directory, "rev-parse", "--short=7", "HEAD").stdout.strip()
    holder = f"{USER} is deploying {commit} to {app}. Wait until that is done, then try again."
    with pushing(platform, directory, app) as terminal:
        second = platform.push(directory, app, check=False)
        assert second.returncode == 1
        assert f"remote: {problem(holder).decode().rstrip()}" in second.stderr
        assert f"Push rejected: nothing has changed for {app}." in second.stderr
        for words in (["config:set", "A=1"], ["apps:destroy", "--confirm", app]):
            refused = platform.hostctl(words[0], "-a", app, *words[1:], check=False)
            assert refused.returncode == 1
            assert holder in refused.stderr
        terminal.type(CTRL_C)
        terminal.wait()
    settled(platform)


def test_a_release_that_never_comes_up_can_be_rolled_back_while_its_push_waits(
    platform: Platform, app: str, repository: Repository
) -> None:
    directory = repository({**WEB, "index.html": "good\n"})
    platform.push(directory, app)
    repository({"Procfile": "web: exec tail -f /dev/null\n"}, directory)
    with pushing(platform, directory, app, "Snapshotting slug... done") as terminal:
        wait_until(lambda: current(platform, app) == 3)
        assert "done, v4" in platform.hostctl("rollback", "-a", app).stderr
        terminal.expect("-----> Launching... v3 was overtaken by a newer release")
        assert terminal.wait() == 0
    wait_for_formation(platform, app, web=1)
    assert platform.http_get(app).text == "good\n"
    settled(platform)


def test_an_unknown_key_gets_one_clear_line(platform: Platform, pages: Pages, stranger: Path) -> None:
    refused = platform.ssh("ps", "-a", APP, key=stranger, check=False)
    assert refused.returncode == 255
    assert refused.stderr.splitlines() == ["git@localhost: Permission denied (publickey)."]
    pushed = platform.push(pages.directory, APP, key=stranger, check=False)
    assert pushed.stderr.splitlines()[0] == "git@localhost: Permission denied (publickey)."


def test_an_unknown_app_gets_one_clear_line(platform: Platform, pages: Pages) -> None:
    refused = platform.push(pages.directory, "no-such-app", check=False)
    assert refused.returncode != 0
    first, *rest = refused.stderr.splitlines()
    assert first.startswith(" !    Couldn't find that app: no-such-app. ")
    assert_only_git_speaks(rest)


def test_no_right_to_the_app_gets_one_clear_line(platform: Platform, pages: Pages, stranger: Path) -> None:
    guest = add_user(platform, "guest@example.com", stranger)
    wanted = f" !    Couldn't find that app: {APP}. "
    for said in (
        platform.push(pages.directory, APP, key=guest.key, check=False).stderr,
        platform.git(pages.directory, "ls-remote", platform.git_url(APP), key=guest.key, check=False).stderr,
    ):
        first, *rest = said.splitlines()
        assert first.startswith(wanted)
        assert_only_git_speaks(rest)
    refused = platform.ssh("logs", "-a", APP, key=guest.key, check=False)
    assert (refused.returncode, refused.stdout) == (1, "")
    first, second = refused.stderr.splitlines()
    assert first == f" !    Couldn't find that app: {APP!r}. Your apps: hostctl apps"
    assert second == f" !    If somebody else has it, they can let you in: hostctl access:add {guest.email}"

    platform.hostctl("access:add", guest.email, "-a", APP)
    pages.commit()
    platform.push(pages.directory, APP, "main:from-a-guest", "--force", key=guest.key)
    platform.hostctl("users:remove", guest.email)


def assert_only_git_speaks(lines: list[str]) -> None:
    """What git itself says when it cannot read from the server."""
    assert lines == [
        "fatal: Could not read from remote repository.",
        "",
        "Please make sure you have the correct access rights",
        "and the repository exists.",
    ]


def units(platform: Platform) -> list[str]:
    return [unit["unit"] for unit in survey(platform)["units"]]
