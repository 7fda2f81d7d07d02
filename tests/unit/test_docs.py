"""The pages say what is there: commands, options, files, codes and links."""

import re
import shlex
from pathlib import Path

import pytest

from buildpacks.contract import BUNDLED
from hostd.cli.command import parse
from hostd.cli.index import ALIASES, COMMANDS, find
from hostd.cli.reference import MARKER
from hostd.install.managed import managed_files
from hostd.settings import Settings

TOP = Path(__file__).resolve().parents[2]
PAGES = [TOP / "README.md", *sorted((TOP / "docs").rglob("*.md")), *sorted((TOP / "examples").glob("*/README.md"))]
OPERATIONS = (TOP / "docs/operations.md").read_text()
INSTALL = (TOP / "install.sh").read_text()

# hostctl on the server, or the same over ssh; two blanks part it from what is said about it.
_COMMAND = re.compile(r"^ *(?:\$ |\S+[#$] )?(?:hostctl|ssh (?:-\S+ (?:\d+ )?)*git@\S+) (.+?)(?:  .*)?$")

each_page = pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(TOP)))


def text_of(page):
    """A page without the reference of commands, which is made from the commands themselves."""
    return page.read_text().partition(MARKER)[0]


def code_blocks(text):
    """The lines of fenced and indented blocks."""
    fenced = False
    for line in text.splitlines():
        if line.lstrip().startswith("```"):
            fenced = not fenced
        elif fenced or line.startswith("    "):
            yield line


def words_of(line):
    """The words of a command, up to what a shell would take for itself."""
    lexer = shlex.shlex(line, posix=True, punctuation_chars=True)
    lexer.whitespace_split = True
    words = list(lexer)
    ends = [number for number, word in enumerate(words) if set(word) <= set("();<>|&")]
    return words[: min(ends, default=None)]


def anchors(page):
    """What a heading is called in a link."""
    headings = re.findall(r"^#+ (.*)", page.read_text(), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@each_page
def test_every_link_leads_somewhere(page):
    dead = []
    for link in re.findall(r"\]\((?!https?:)([^)]+)", page.read_text()):
        name, _, anchor = link.partition("#")
        target = page.parent / name if name else page
        if not target.exists() or (anchor and anchor not in anchors(target)):
            dead.append(link)
    assert dead == []


def test_every_page_is_in_the_readme_or_in_a_page_of_it():
    found = set()
    for page in PAGES[0], TOP / "docs/buildpacks.md":
        found.update((page.parent / link).resolve() for link in re.findall(r"\]\(([^)#:]+)", page.read_text()))
    pages = [page.parent if page.name == "README.md" else page for page in PAGES[1:]]
    assert [str(page.relative_to(TOP)) for page in pages if page not in found] == []


@each_page
def test_every_command_that_is_named_exists(page):
    named = re.findall(r"`hostctl ([a-z]+(?::[a-z]+)?)", text_of(page))
    assert [name for name in named if name not in {**COMMANDS, **ALIASES}] == []


@each_page
def test_every_command_line_that_is_shown_makes_sense(page):
    for line in code_blocks(text_of(page)):
        if shown := _COMMAND.match(line):
            words = shlex.split(shown[1])
            parse(find(words[0]), words[1:])


def test_every_file_that_is_installed_is_explained():
    files = [
        file.path
        for own_sshd in (True, False)
        for file in managed_files(Settings(), own_sshd=own_sshd, pool_image=Path("/pool.img"))
    ]
    assert [path for path in files if path.name.replace("@.", "@N.") not in OPERATIONS] == []


def test_every_option_of_install_sh_is_explained():
    usage = INSTALL.partition("usage() {")[2].partition("\nTEXT\n")[0]
    options = re.findall(r"^  (--[a-z-]+)", usage, re.MULTILINE)
    assert "--domain" in options
    assert [option for option in options if f"`{option}" not in OPERATIONS] == []


@each_page
def test_every_option_of_install_sh_that_is_shown_exists(page):
    lines = re.findall(r"\./install\.sh((?: +--?[a-z-]+(?: [^\s`-]\S*)?)+)", page.read_text())
    options = {option for line in lines for option in re.findall(r"--[a-z-]+", line)}
    assert {option for option in options if not re.search(rf"{option}[ )]", INSTALL)} == set()


def test_buildpacks_are_listed_in_the_order_in_which_they_are_tried():
    table = (TOP / "docs/buildpacks.md").read_text().partition("## Bundled buildpacks")[2].partition("\n## ")[0]
    assert re.findall(r"^\| \W*(\w+)", table, re.MULTILINE)[1:] == [*BUNDLED, "apt"]


def test_every_code_is_explained():
    router = (TOP / "router/faults.py").read_text()
    manager = "".join(path.read_text() for path in (TOP / "hostd").rglob("*.py"))
    codes = {*re.findall(r'Fault\(\s*"([A-Z]\d\d)"', router), *re.findall(r"Error ([A-Z]\d\d) \(", manager)}
    assert {"H10", "R10", "L11"} <= codes
    assert {code for code in codes if not re.search(rf"\b{code}\b", OPERATIONS.partition("### Codes")[2])} == set()
