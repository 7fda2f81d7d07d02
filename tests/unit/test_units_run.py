import asyncio
import sys

import pytest

from units.run import CommandFailed, CommandMissing, CommandTimeout, arun, run


def python(source):
    return [sys.executable, "-S", "-c", source]


ECHO = python("import sys; sys.stdout.buffer.write(sys.stdin.buffer.read())")
FAIL = python("import sys; print('out'); print('why', file=sys.stderr); sys.exit(3)")
HANG = python("import time; time.sleep(60)")


async def both(*arguments, **options):
    """The same command through the blocking and the asynchronous door."""
    return [run(*arguments, **options), await arun(*arguments, **options)]


async def test_input_goes_in_and_output_comes_out():
    for done in await both(ECHO, input=b"\xff\0x", timeout=10):
        assert (done.stdout, done.stderr, done.returncode) == (b"\xff\0x", b"", 0)
    for done in await both(ECHO, timeout=10):
        assert done.stdout == b""


async def test_no_shell_reads_the_arguments():
    for done in await both([*python("import sys; print(sys.argv[1:])"), "$HOME; ls", ""], timeout=10):
        assert done.text == "['$HOME; ls', '']\n"


async def test_environment_and_directory(tmp_path):
    source = python("import os; print(os.getcwd(), os.environ.get('A'), os.environ.get('HOME'))")
    for done in await both(source, env={"A": "1"}, cwd=tmp_path, timeout=10):
        assert done.text == f"{tmp_path} 1 None\n"


async def test_failure_names_command_status_and_reason():
    with pytest.raises(CommandFailed, match="exited with status 3: why"):
        run(FAIL, timeout=10)
    with pytest.raises(CommandFailed, match="exited with status 3: why") as failure:
        await arun(FAIL, timeout=10)
    assert (failure.value.argv, failure.value.returncode) == (tuple(FAIL), 3)
    for done in await both(FAIL, timeout=10, check=False):
        assert (done.returncode, done.stdout) == (3, b"out\n")


async def test_a_signal_is_told_as_such():
    with pytest.raises(CommandFailed, match="killed by signal 9"):
        await arun(python("import os; os.kill(os.getpid(), 9)"), timeout=10)


async def test_a_program_that_is_not_there():
    with pytest.raises(CommandMissing, match="no-such-program not found"):
        run(["no-such-program"], timeout=10)
    with pytest.raises(CommandMissing, match="no-such-program not found"):
        await arun(["no-such-program"], timeout=10)


async def test_deadlines_kill():
    with pytest.raises(CommandTimeout, match=r"did not end within 0\.1 s"):
        run(HANG, timeout=0.1)
    with pytest.raises(CommandTimeout, match=r"did not end within 0\.1 s"):
        await arun(HANG, timeout=0.1)


async def test_a_cancelled_caller_takes_the_child_down(tmp_path):
    pid_file = tmp_path / "pid"
    source = f"import os,pathlib,time; pathlib.Path({str(pid_file)!r}).write_text(str(os.getpid())); time.sleep(60)"
    task = asyncio.create_task(arun(python(source), timeout=30))
    while not pid_file.exists() or not pid_file.read_text():
        await asyncio.sleep(0.01)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert run(["kill", "-0", pid_file.read_text()], timeout=10, check=False).returncode != 0
