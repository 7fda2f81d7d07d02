"""The pages say what is there: commands, options, units and links."""

import re
from pathlib import Path

import pytest

from hostd.cli import index

TOP = Path(__file__).resolve().parents[2]
PAGES = [TOP / "README.md", *sorted((TOP / "docs").glob("*.md"))]
OPERATIONS = (TOP / "docs/operations.md").read_text()


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_link_leads_somewhere(page):
    links = re.findall(r"\]\((?!https?:|#)([^)#]+)", page.read_text())
    assert [link for link in links if not (page.parent / link).exists()] == []


def test_every_page_is_in_the_readme():
    readme = (TOP / "README.md").read_text()
    assert [page.name for page in PAGES[1:] if f"docs/{page.name}" not in readme] == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_command_that_is_shown_exists(page):
    shown = re.findall(r"(?:^\$ |`)hostctl ([a-z]+(?::[a-z]+)?)", page.read_text(), re.MULTILINE)
    assert [name for name in shown if name not in {**index.COMMANDS, **index.ALIASES}] == []


def test_every_unit_that_is_installed_is_explained():
    units = [path.name for path in (TOP / "hostd/install/files").glob("hostd*") if path.suffix != ".conf"]
    assert [unit for unit in units if unit not in OPERATIONS] == []


def test_every_option_of_install_sh_is_explained():
    usage = (TOP / "install.sh").read_text().partition("usage() {")[2].partition("\nTEXT\n")[0]
    options = re.findall(r"^  (--[a-z-]+)", usage, re.MULTILINE)
    assert "--domain" in options
    assert [option for option in options if option not in OPERATIONS] == []
