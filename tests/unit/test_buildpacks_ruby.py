"""Which Ruby an app gets, and what it runs by default."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from buildpacks import contract
from buildpacks.bundled.ruby.steps.versions import Asked, RubyError, asked, choose, satisfies, upstream

PACK = contract.FOLDER / "ruby"
BOOKWORM = [("ruby3.1", "3.1.2-7+deb12u1")]
BOTH = [("ruby3.1", "3.1.2-7+deb12u1"), ("ruby3.3", "3.3.8-2"), ("ruby3.1", "3.1.2-7")]


@pytest.mark.parametrize(
    ("files", "requirements", "where"),
    [
        ({"Gemfile": 'source "x"\nruby "3.1.2"\n', ".ruby-version": "2.7"}, ("3.1.2",), "Gemfile"),
        ({"Gemfile": "ruby '>= 3.0', '< 4' # any\n"}, (">= 3.0", "< 4"), "Gemfile"),
        ({"Gemfile": 'ruby("~> 3.1")'}, ("~> 3.1",), "Gemfile"),
        ({"Gemfile": 'ruby "3.1.2", engine: "ruby", engine_version: "3.1.2"'}, ("3.1.2",), "Gemfile"),
        (
            {"Gemfile": "ruby file: '.ruby-version'", "Gemfile.lock": "RUBY VERSION\n   ruby 3.1.4p223\n"},
            ("3.1.4",),
            "Gemfile.lock",
        ),
        ({".ruby-version": "ruby-3.1.4-p223\n"}, ("3.1.4",), ".ruby-version"),
        ({".tool-versions": "nodejs 20\nruby 3.3.0\n"}, ("3.3.0",), ".tool-versions"),
    ],
)
def test_where_an_app_says_what_it_wants(files: dict[str, str], requirements: tuple[str, ...], where: str) -> None:
    found = asked(files)
    assert found is not None
    assert (found.requirements, found.where) == (requirements, where)


def test_an_app_may_ask_for_nothing() -> None:
    assert asked({"Gemfile": 'gem "ruby-graphviz"\n# ruby "2.0"\nrubyforge "x"\n'}) is None
    assert choose(None, BOTH).package == "ruby3.3"


@pytest.mark.parametrize(
    "files",
    [
        {"Gemfile": 'ruby "jruby"'},
        {"Gemfile": 'ruby "3.1.2", engine: "jruby", engine_version: "9.4.0.0"'},
        {"Gemfile": "ruby '3.1.2', :engine => 'truffleruby', :engine_version => '22.3.0'"},
        {".ruby-version": "jruby-9.4"},
    ],
)
def test_what_is_no_version_is_refused(files: dict[str, str]) -> None:
    with pytest.raises(RubyError):
        asked(files)


@pytest.mark.parametrize(
    ("version", "requirement", "met"),
    [
        ((3, 1, 2), "3.1.2", True),
        ((3, 1, 0), "3.1", True),
        ((3, 1, 2), "3.1", False),
        ((3, 1, 2), "~> 3.1", True),
        ((3, 2, 0), "~> 3.1", True),
        ((4, 0, 0), "~> 3.1", False),
        ((3, 2, 0), "~> 3.1.0", False),
        ((3, 1, 2), "~> 3.1.3", False),
        ((3, 1, 2), ">= 3.1.3", False),
        ((3, 1, 2), "!= 3.1.2", False),
        ((3, 1, 2), "nonsense", False),
    ],
)
def test_requirements_of_rubygems(version: tuple[int, ...], requirement: str, met: bool) -> None:
    assert satisfies(version, requirement) is met


def test_the_newest_that_fits_is_taken() -> None:
    assert choose(Asked((">= 3.0",), "Gemfile", True), BOTH).package == "ruby3.3"
    assert choose(Asked(("~> 3.1.0",), "Gemfile", True), BOTH).package == "ruby3.1"


def test_another_patch_release_is_said_where_bundler_does_not_insist() -> None:
    choice = choose(Asked(("3.1.4",), ".ruby-version", False), BOOKWORM)
    assert choice.package == "ruby3.1"
    assert choice.warning == ".ruby-version asks for Ruby 3.1.4; Debian has Ruby 3.1.2, which is used instead."


@pytest.mark.parametrize("wanted", [Asked(("3.1.4",), "Gemfile", True), Asked(("2.7.1",), ".ruby-version", False)])
def test_anything_else_is_refused_with_the_list(wanted: Asked) -> None:
    with pytest.raises(RubyError, match=r"asks for Ruby .*, which cannot be had\. .* can be had: 3\.3\.8, 3\.1\.2, 3"):
        choose(wanted, BOTH)


def test_debian_s_revision_is_not_ruby_s() -> None:
    assert upstream("1:3.1.2~rc1-7+deb12u1") == "3.1.2"


@pytest.mark.parametrize(
    ("files", "web"),
    [
        ({"config.ru": "", "Gemfile.lock": ""}, "bundle exec rackup config.ru -o 0.0.0.0 -p $PORT"),
        (
            {"config.ru": "", "Gemfile.lock": "GEM\n  specs:\n    railties (7.0.4)\n"},
            "bundle exec rails server -b 0.0.0.0 -p $PORT -e $RAILS_ENV",
        ),
        (
            {"config.ru": "", "Gemfile.lock": "    puma (6.6.0)\n    rack (3.1.16)\n"},
            "bundle exec puma -b tcp://0.0.0.0:$PORT config.ru",
        ),
        ({"Gemfile.lock": "      railties (= 7.0.4)\n"}, None),
    ],
)
def test_default_processes(tmp_path: Path, files: dict[str, str], web: str | None) -> None:
    for name, content in files.items():
        (tmp_path / name).write_text(content)
    done = subprocess.run([PACK / "bin/release", tmp_path], capture_output=True, text=True, check=True)
    lines = done.stdout.splitlines()
    assert lines[0] == "---"
    assert next((line.partition("web: ")[2] for line in lines if "web:" in line), None) == web
    assert ("SECRET_KEY_BASE" in done.stdout) == ("rails" in (web or ""))
