"""Drains over HTTP and HTTPS: batches for a logplex-1 endpoint, and entries for systemd-journal-remote."""

from __future__ import annotations

import asyncio

from hostd import __version__
from hostd.logplex.drains.buffer import Frame
from hostd.logplex.drains.destinations import Kind
from hostd.logplex.drains.dialing import Connection, why_of
from hostd.logplex.drains.failures import Undelivered
from hostd.logplex.drains.messages import export, logplex
from hostd.logplex.drains.posting import Answer, NoAnswer, post
from hostd.logplex.drains.sending import ConnectedSender, with_overflow

IDLE_SECONDS = 55.0
"""A connection that was silent for so long is not used again: receivers close theirs after a minute."""
OLDEST = 3600.0
"""Seconds after which a connection is opened anew, so that receivers can share their load."""
_TRY_AGAIN = frozenset({408, 425, 429})


class WebSender(ConnectedSender):
    """Posts each frame of an app's lines, over one connection at a time."""

    SECONDS = 15.0
    """For a request, from its first byte to the answer's last."""
    _opened = 0.0

    async def send(self, frame: Frame) -> None:
        """Post the frame. Raises Undelivered; `final` for a status that says that it will never be taken."""
        try:
            async with asyncio.timeout(self._seconds):
                answer = await self._posted(frame)
        except TimeoutError:
            await self.close()
            raise Undelivered(f"{self._where.place} did not answer within {self._seconds:g} seconds") from None
        except NoAnswer as error:
            await self.close()
            raise Undelivered(f"{self._where.place} gave no answer: {error.message}") from None
        except OSError as error:
            await self.close()
            raise Undelivered(f"{self._where.place} broke off: {why_of(error)}") from None
        except BaseException:
            await self.close()
            raise
        if not answer.lasting:
            await self.close()
        self._used = self._clock()
        if not 200 <= answer.status < 300:
            raise refusal(self._where.place, answer)

    async def close(self) -> None:
        """Close the connection; the next frame opens another."""
        if self._connection is not None:
            self._connection.abort()
            self._connection = None

    async def _posted(self, frame: Frame) -> Answer:
        headers, body = self._request(frame)
        reused = await self._reusable()
        if reused is not None:
            try:
                return await post(reused, self._where.target, headers, body)
            except (NoAnswer, OSError) as error:
                if isinstance(error, NoAnswer) and error.began:
                    raise
                # It closed the connection just then, as it may: the frame has its id, and goes over another.
                await self.close()
        self._connection = await self._dialer.connect(self._where)
        self._opened = self._clock()
        return await post(self._connection, self._where.target, headers, body)

    async def _reusable(self) -> Connection | None:
        now, connection = self._clock(), self._connection
        if connection is None:
            return None
        ended = connection.reader.at_eof() or connection.is_closing
        if ended or now - self._used > IDLE_SECONDS or now - self._opened > OLDEST:
            await self.close()
            return None
        return connection

    def _request(self, frame: Frame) -> tuple[dict[str, str], bytes]:
        where, items = self._where, with_overflow(frame)
        host = where.place if where.port not in (80, 443) else where.place.rpartition(":")[0]
        headers = {"Host": host, "User-Agent": f"hostd-logplex/{__version__}"}
        if where.credentials:
            headers["Authorization"] = where.credentials
        if where.kind is Kind.JOURNAL:
            return headers | {"Content-Type": "application/vnd.fdo.journal"}, export(items, self._app)
        own = {
            "Content-Type": "application/logplex-1",
            "Logplex-Msg-Count": str(sum(item.count for item in items)),
            "Logplex-Frame-Id": frame.id,
            "Logplex-Drain-Token": self._token,
        }
        return headers | own, logplex(items)


def refusal(place: str, answer: Answer) -> Undelivered:
    """What a status other than 2xx means: 4xx is final but for those that ask to try again later."""
    status = answer.status
    if 300 <= status < 400:
        return Undelivered(f"{place} answered {status}: it redirects, which drains do not follow")
    if 400 <= status < 500 and status not in _TRY_AGAIN:
        return Undelivered(f"{place} answered {status}, so that the messages sent to it are lost", final=True)
    return Undelivered(f"{place} answered {status}", after=answer.after)
