"""What is decided about Debian packages: the stack's base, and what apt's complaints mean."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from buildpacks import contract
from buildpacks.lib.debs import alternatives, base, complaints, names

STATUS = """\
Package: bash
Essential: yes
Status: install ok installed
Priority: required
Pre-Depends: libc6 (>= 2.36)
Depends: base-files (>= 2.1.12), awk | gone

Package: libc6
Status: install ok installed
Priority: optional
Depends: libgcc-s1, libcrypt1 (>= 1:4.4.10-10~)

Package: libgcc-s1:amd64
Status: install ok installed
Priority: optional

Package: mawk
Status: install ok installed
Priority: optional
Provides: awk, nawk (= 1)
Description: a pattern scanner
 Depends: never

Package: passwd
Status: deinstall ok config-files
Priority: required

Package: nginx
Status: install ok installed
Priority: optional
"""


def test_the_base_is_what_is_required_and_what_that_needs() -> None:
    status = STATUS.replace("libgcc-s1:amd64", "libgcc-s1")
    assert names(base(status)) == ["bash", "libc6", "libgcc-s1", "mawk"]


def test_the_base_keeps_its_stanzas_as_they_are() -> None:
    kept = base(STATUS)
    assert "Description: a pattern scanner\n Depends: never\n\n" in kept
    assert base(kept) == kept


def test_a_name_that_does_not_exist_is_named_with_those_that_do() -> None:
    told = "Reading package lists...\nE: Unable to locate package ruyb3.1\n"
    assert complaints(told, ["ruby3.1", "python3", "zlib1g"]) == [
        "There is no package named ruyb3.1 in the stack's package sources. Did you mean ruby3.1?"
    ]


def test_the_beginning_of_names_is_a_suggestion_too() -> None:
    (line,) = complaints("E: Package 'php8' has no installation candidate", ["php8.2", "php8.2-cli", "nginx"])
    assert line.endswith("Did you mean php8.2 or php8.2-cli?")


def test_a_version_that_does_not_exist_is_named() -> None:
    told = "E: Version '9' for 'nginx' was not found\nE: Couldn't find any package by glob 'xyzzy'"
    assert complaints(told, ["nginx"]) == [
        "Version 9 of the package nginx cannot be had.",
        "There is no package named xyzzy in the stack's package sources.",
    ]


def test_other_errors_are_left_to_apt_s_own_words() -> None:
    assert complaints("E: Unable to correct problems, you have held broken packages.", ["nginx"]) == []


def test_alternatives_in_plain_words_are_found_and_the_best_is_taken() -> None:
    scripts = """
if [ "$1" = configure ]; then
    update-alternatives --install /usr/bin/figlet figlet /usr/bin/figlet-figlet 50 \\
        --slave /usr/share/man/man6/figlet.6.gz figlet.6.gz /usr/share/man/man6/figlet-figlet.6.gz
    update-alternatives --quiet \\
        --install /usr/bin/figlet figlet /usr/bin/toilet 20
    update-alternatives --install /usr/bin/$tool $tool $base/$tool 100
    update-alternatives --remove figlet /usr/bin/figlet-figlet
fi
"""
    assert alternatives(scripts) == {"/usr/bin/figlet": "/usr/bin/figlet-figlet"}


SIGNED, LISTED = "mirror_debian_dists_bookworm_InRelease", "mirror_debian_dists_bookworm_main_binary-amd64_Packages.lz4"
UPDATES = "mirror_debian_dists_bookworm-updates_InRelease"


def seed(directory: Path, theirs: dict[str, str], ours: dict[str, str]) -> dict[str, str]:
    """The lists of a build whose cache has `ours`, after it took those of the stack."""
    stack, lists = directory / "stack", directory / "cache/debs/state/lists"
    for folder, files in ((stack, theirs), (lists, ours)):
        folder.mkdir(parents=True)
        for name, text in files.items():
            (folder / name).write_text(text)
    script = f'set -euo pipefail; . "$BUILDPACK_LIB/debs.sh"; debs_seeds={stack}; _debs_seed'
    environment = {**os.environ, "BUILDPACK_LIB": str(contract.LIBRARY), "CACHE_DIR": str(directory / "cache")}
    subprocess.run(["bash", "-c", script], check=True, env=environment)
    return {path.name: path.read_text() for path in lists.iterdir()}


@pytest.mark.parametrize(
    ("theirs", "ours", "expected"),
    [
        ({SIGNED: "s", LISTED: "p", "lock": ""}, {}, {SIGNED: "s", LISTED: "p"}),
        ({SIGNED: "s", LISTED: "p"}, {SIGNED: "newer", LISTED: "newer"}, {SIGNED: "newer", LISTED: "newer"}),
        ({SIGNED: "s"}, {LISTED: "of nobody knows what"}, {}),
        ({SIGNED: "s", LISTED: "p", UPDATES: "u"}, {UPDATES: "newer"}, {SIGNED: "s", LISTED: "p", UPDATES: "newer"}),
        ({}, {}, {}),
    ],
)
def test_a_build_begins_with_the_whole_lists_of_the_stack_or_with_its_own(
    tmp_path: Path, theirs: dict[str, str], ours: dict[str, str], expected: dict[str, str]
) -> None:
    assert seed(tmp_path, theirs, ours) == expected
