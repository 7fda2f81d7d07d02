"""Pages of apps' own: fetched when wanted, kept as files, and told of."""

import asyncio

import pytest
from daemon_fakes import FakeWriter

from hostd.custom_pages import REFRESH, RETRY, CustomPages, Kind
from hostd.events import Events
from hostd.fetching import Unfetchable

URL, OTHER = "https://shop.de/back-soon.html", "https://shop.de/oops.html"
BOTH = {"MAINTENANCE_PAGE_URL": URL, "ERROR_PAGE_URL": OTHER, "SECRET": "x"}


class Scene:
    """A web with these pages, and a clock that the test moves."""

    def __init__(self, directory):
        self.directory = directory
        self.web = {URL: b"<h1>Back soon</h1>", OTHER: b"<h1>Oops</h1>"}
        self.asked = []
        self.changed = []
        self.now = 1000.0
        self.writer = FakeWriter()
        self.pages = self.restarted()

    def restarted(self):
        self.pages = CustomPages(self.directory, self.fetch, Events(self.writer), clock=lambda: self.now)
        self.pages.changed = self.changed.append
        return self.pages

    async def fetch(self, url):
        self.asked.append(url)
        page = self.web[url]
        if isinstance(page, str):
            raise Unfetchable(page)
        return page

    def shown(self, app_id, config):
        return {kind: (self.directory / name).read_bytes() for kind, name in self.pages.of(app_id, config).items()}


@pytest.fixture
def scene(tmp_path):
    return Scene(tmp_path / "pages")


async def test_pages_are_fetched_once_they_are_wanted(scene):
    assert scene.pages.of("a", BOTH) == {}
    await scene.pages.look()
    assert scene.shown("a", BOTH) == {Kind.MAINTENANCE: b"<h1>Back soon</h1>", Kind.ERROR: b"<h1>Oops</h1>"}
    assert scene.changed == ["a", "a"]
    assert sorted(scene.writer.lines) == [
        "heroku[router]: Page of ERROR_PAGE_URL fetched",
        "heroku[router]: Page of MAINTENANCE_PAGE_URL fetched",
    ]
    assert scene.pages.of("b", {"SECRET": "x"}) == {}
    assert all(path.stat().st_mode & 0o777 == 0o644 for path in scene.directory.iterdir())


async def test_a_page_is_fetched_again_after_a_while_and_apps_are_told_of_another(scene):
    scene.pages.of("a", BOTH)
    assert await scene.pages.look() == REFRESH
    scene.changed.clear()
    scene.web[URL] = b"<h1>Back later</h1>"
    scene.now += REFRESH - 1
    assert await scene.pages.look() == 1
    assert len(scene.asked) == 2
    scene.now += 1
    await scene.pages.look()
    assert (len(scene.asked), scene.changed) == (4, ["a"])
    assert scene.shown("a", BOTH)[Kind.MAINTENANCE] == b"<h1>Back later</h1>"
    assert len(list(scene.directory.iterdir())) == 3, "a router may not know the new table yet"
    await scene.pages.look()
    assert len(list(scene.directory.iterdir())) == 2


async def test_apps_that_name_one_page_share_it(scene):
    config = {"ERROR_PAGE_URL": URL}
    scene.pages.of("a", config), scene.pages.of("b", {"MAINTENANCE_PAGE_URL": URL})
    await scene.pages.look()
    assert scene.asked == [URL]
    assert sorted(scene.changed) == ["a", "b"]


async def test_what_cannot_be_fetched_is_told_once_and_the_last_copy_kept(scene):
    scene.web[URL] = "its server answers with status 404"
    config = {"MAINTENANCE_PAGE_URL": URL}
    scene.pages.of("a", config)
    for _ in range(2):
        assert await scene.pages.look() == RETRY
        scene.now += RETRY
    assert len(scene.asked) == 2
    assert scene.pages.of("a", config) == {}
    scene.web[URL] = b"page"
    await scene.pages.look()
    scene.web[URL] = "its server cannot be reached"
    scene.now += REFRESH
    await scene.pages.look()
    assert scene.shown("a", config) == {Kind.MAINTENANCE: b"page"}
    failed = "heroku[router]: Page of MAINTENANCE_PAGE_URL cannot be fetched: its server"
    assert scene.writer.lines == [
        f"{failed} answers with status 404. The built-in page is shown.",
        "heroku[router]: Page of MAINTENANCE_PAGE_URL fetched",
        f"{failed} cannot be reached. The copy that was fetched last is shown.",
    ]
    assert "shop.de" not in "".join(scene.writer.lines)


async def test_pages_outlive_a_restart(scene):
    scene.pages.of("a", BOTH)
    await scene.pages.look()
    known = scene.pages.of("a", BOTH)
    said = list(scene.writer.lines)
    scene.restarted()
    assert scene.pages.of("a", BOTH) == known
    await scene.pages.look()
    assert scene.writer.lines == said, "there is no news"
    scene.web = dict.fromkeys(scene.web, "its server cannot be reached")
    scene.restarted()
    scene.pages.of("a", BOTH)
    await scene.pages.look()
    assert scene.pages.of("a", BOTH) == known


async def test_pages_that_nobody_wants_are_deleted(scene):
    scene.pages.of("a", BOTH), scene.pages.of("b", {"ERROR_PAGE_URL": OTHER})
    await scene.pages.look()
    scene.pages.of("a", {})
    await scene.pages.look()
    assert [path.read_bytes() for path in scene.directory.iterdir()] == [b"<h1>Oops</h1>"]
    scene.pages.forget("b")
    (scene.directory / ".draft").write_bytes(b"a crash left this")
    await scene.pages.look()
    assert list(scene.directory.iterdir()) == []
    assert scene.pages.of("b", {"ERROR_PAGE_URL": OTHER}) == {}


async def test_a_new_address_is_fetched_at_once(scene):
    scene.pages.start()
    scene.pages.of("a", BOTH)
    async with asyncio.timeout(5):
        while len(scene.changed) < 2:
            await asyncio.sleep(0)
        scene.pages.of("b", {"ERROR_PAGE_URL": URL})
        scene.pages.of("c", {"ERROR_PAGE_URL": "https://new.de/"})
        scene.web["https://new.de/"] = b"new"
        while "c" not in scene.changed:
            await asyncio.sleep(0)
    await scene.pages.close()
    assert scene.pages.of("b", {"ERROR_PAGE_URL": URL}), "known already, as another app has it"
