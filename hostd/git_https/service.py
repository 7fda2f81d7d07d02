"""The answers to git over https: who asks is asked of hostd, and git does the rest."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import subprocess
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Protocol

from aiohttp import web

from hostd.cli.client import path
from hostd.errors import UNEXPECTED, HostdError, Unauthorized, Unavailable
from hostd.git_https import bodies
from hostd.git_https.process import Git
from hostd.git_https.request import Refused, Wanted, parse
from hostd.ssh import quarantine
from hostd.ssh.git import LARGEST_PUSH, Job, environment, follow_head, prepare
from hostd.tokens import token_in

LARGEST_QUESTION = 10 << 20
"""Bytes of the commits that a client says it has, or wants (as git http-backend)."""
LARGEST_BODY = 2 * LARGEST_PUSH
"""Bytes that are read of a push: git itself says what is too large, if its client has got rid of it all."""
AT_ONCE, AT_ONCE_EACH = 64, 16
"""Requests for which git runs at the same time, of all and of one user; the next one waits for its turn."""
TURN_SECONDS = 15.0
"""How long it waits before it is told to come back; the router gives an answer up after 30 s."""
ASKING_SECONDS = 30.0
"""How long hostd may take to say who asks; the router gives an answer up after as long."""
SOON = "5"
"""Seconds after which it is worth trying again."""
REALM = {"WWW-Authenticate": 'Basic realm="hostd", charset="UTF-8"'}
NOBODY = "A token is wanted, as the password of any user. Make one: hostctl authorizations:create"
NEVER_KEPT = {"Cache-Control": "no-cache, max-age=0, must-revalidate", "Expires": "Fri, 01 Jan 1980 00:00:00 GMT"}

_log = logging.getLogger(__name__)


class Hostd(Protocol):
    """What is needed of `hostd.cli.client.Client`."""

    def request(self, method: str, target: str, body: Any = None, *, seconds: float) -> Any:
        """Ask."""


class Service:
    """Answers requests; `programs` is the directory of hostd's programs, `origin` says who is at the other end: the
    door's name and the client's address."""

    def __init__(
        self,
        hostd: Hostd,
        programs: Path,
        env: Mapping[str, str],
        origin: Callable[[web.Request], tuple[str, str]],
    ) -> None:
        self._hostd = hostd
        self._programs = programs
        self._env = env
        self._origin = origin
        self._asking = ThreadPoolExecutor(16, "asking")
        self._running: Counter[str] = Counter()
        self._turns = asyncio.Condition()

    async def answer(self, request: web.Request) -> web.StreamResponse:
        """Answer one request of a git client, or tell it in a sentence why not."""
        try:
            # What is not for git is refused before anybody is asked for a token.
            wanted = parse(request.method, request.path, request.query.get("service"), request.content_type)
            return await self._serve(request, wanted, await self._job(request, wanted))
        except Refused as error:
            return _told(error.status, error.message, error.headers)
        except HostdError as error:
            if error.status >= 500:
                _log.error("%s %s: %s", request.method, request.path, error.message)
            return _told(error.status, error.message, REALM if isinstance(error, Unauthorized) else {})
        except OSError as error:
            _log.error("%s %s: %s", request.method, request.path, error)
            return _told(500, UNEXPECTED)

    async def _job(self, request: web.Request, wanted: Wanted) -> Job:
        """What is to be done, if hostd allows it. Raises HostdError."""
        token = token_in(request.headers.get("Authorization"), name_too=True)
        if token is None:
            raise Unauthorized(NOBODY)
        door, address = self._origin(request)
        body = {"token": token, "door": door, "address": address, "app": wanted.app, "service": wanted.service}
        try:
            answer = await asyncio.get_running_loop().run_in_executor(
                self._asking,
                lambda: self._hostd.request("POST", path("hostd", "git", "repositories"), body, seconds=ASKING_SECONDS),
            )
        except Unavailable as error:
            _log.error("hostd does not say who asks: %s", error.message)
            raise Refused(503, "The platform does not answer now. Try again soon.", {"Retry-After": SOON}) from error
        found = answer.data
        return Job(
            wanted.service,
            Path(found["path"]),
            str(found["app_id"]),
            str(found["app"]),
            str(found["user"]),
            door,
            address,
            str(found["authorization"]),
        )

    async def _serve(self, request: web.Request, wanted: Wanted, job: Job) -> web.StreamResponse:
        async with self._turn(job.user):
            protocol = request.headers.get("Git-Protocol", "")
            env = environment(job, {**self._env, "GIT_PROTOCOL": protocol})
            argv = await asyncio.to_thread(prepare, job, self._programs, wanted.options)
            if wanted.advertises:
                return await self._advertise(request, wanted, await Git.begin(argv, env, subprocess.DEVNULL))
            if job.pushes:
                return await self._receive(request, wanted, job, argv, env)
            return await self._upload(request, wanted, argv, env)

    @contextlib.asynccontextmanager
    async def _turn(self, user: str) -> AsyncIterator[None]:
        """One of the requests for which git may run; raises Refused if none becomes free in time."""

        def is_free() -> bool:
            return self._running[user] < AT_ONCE_EACH and self._running.total() < AT_ONCE

        try:
            async with asyncio.timeout(TURN_SECONDS), self._turns:
                await self._turns.wait_for(is_free)
                self._running[user] += 1
        except TimeoutError:
            whose = f"{user} has" if self._running[user] >= AT_ONCE_EACH else "The server has"
            reason = f"{whose} too many pushes and fetches at once. Try again soon."
            raise Refused(503, reason, {"Retry-After": SOON}) from None
        try:
            yield
        finally:
            self._running[user] -= 1
            self._running += Counter()  # forgets who has none
            async with self._turns:
                self._turns.notify_all()

    async def _advertise(self, request: web.Request, wanted: Wanted, git: Git) -> web.StreamResponse:
        answer = _Answer(request, wanted)
        if greeting := wanted.greeting(request.headers.get("Git-Protocol", "")):
            await answer.write(greeting)
        return await _passed_on(git, answer)

    async def _upload(
        self, request: web.Request, wanted: Wanted, argv: list[str], env: Mapping[str, str]
    ) -> web.StreamResponse:
        asked = _body(request, LARGEST_QUESTION)
        with await bodies.stored(asked) as file:
            git = await Git.begin(argv, env, file)
        return await _passed_on(git, _Answer(request, wanted))

    async def _receive(
        self, request: web.Request, wanted: Wanted, job: Job, argv: list[str], env: Mapping[str, str]
    ) -> web.StreamResponse:
        async with _clearing(job.repository) as lock:
            git = await Git.begin(argv, env, subprocess.PIPE, (lock,))
            return await _passed_on(
                git,
                _Answer(request, wanted),
                _body(request, LARGEST_BODY),
                # Before the pusher's git ends: what it does next may be a clone.
                lambda: asyncio.to_thread(follow_head, job, env),
            )


class _Answer:
    """An answer that begins when git says its first word, so that until then there can be another."""

    def __init__(self, request: web.Request, wanted: Wanted) -> None:
        self._request = request
        self.response = web.StreamResponse(headers={"Content-Type": wanted.answers, **NEVER_KEPT})

    async def write(self, piece: bytes) -> None:
        if not self.response.prepared:
            await self.response.prepare(self._request)
        await self.response.write(piece)

    def break_off(self) -> web.StreamResponse:
        """Hang up behind what was said."""
        if self._request.transport is not None:
            self._request.transport.close()
        return self.response

    async def end(self) -> web.StreamResponse:
        if not self.response.prepared:
            await self.response.prepare(self._request)
        await self.response.write_eof()
        return self.response


async def _passed_on(
    git: Git,
    answer: _Answer,
    asked: AsyncIterator[bytes] | None = None,
    finish: Callable[[], Awaitable[None]] | None = None,
) -> web.StreamResponse:
    """Pass on what git says while it is told what was asked; git ends with this, however it ends.

    `finish` is done when git has ended, before its client is told so. Raises Refused if git had not begun to answer.
    """
    feeding = asyncio.create_task(git.feed(asked)) if asked is not None else None
    try:
        async for piece in git.said():
            await answer.write(piece)
        try:
            if feeding is not None:
                await feeding
        except Refused as error:
            if not answer.response.prepared:
                raise
            _log.warning("the request broke off: %s", error.message)
        status = await git.ended()
        if status and not answer.response.prepared:
            if "protocol error" in git.complaints:
                raise Refused(400, "The request is not what git sends.")
            _log.warning("git ended with status %d: %s", status, git.complaints)
            raise Refused(500, "git could not answer. The cause is in the server's log: journalctl -u hostd-git")
        if status < 0:
            # Ended from outside. After an answer that seems whole a pusher's git would wait for what is missing.
            return answer.break_off()
        if finish is not None:
            await finish()
        return await answer.end()
    finally:
        if feeding is not None:
            feeding.cancel()
        # Whoever cancels this has gone, and git has to go too before the lock on its repository does.
        await asyncio.shield(asyncio.create_task(git.end()))


@contextlib.asynccontextmanager
async def _clearing(repository: Path) -> AsyncIterator[int]:
    """As `quarantine.clearing`, which may have much to remove, beside the loop."""
    clearing = quarantine.clearing(repository)
    lock = await asyncio.to_thread(clearing.__enter__)
    try:
        yield lock
    finally:
        await asyncio.shield(asyncio.create_task(asyncio.to_thread(clearing.__exit__, None, None, None)))


def _body(request: web.Request, most: int) -> AsyncIterator[bytes]:
    encoding = request.headers.get("Content-Encoding", "").strip().lower()
    return bodies.bounded(bodies.unpacked(bodies.sent(request.content), encoding), most)


def _told(status: int, message: str, headers: Mapping[str, str] = {}) -> web.Response:
    return web.Response(status=status, text=f"{message}\n", headers={**NEVER_KEPT, **headers})
