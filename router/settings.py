"""Settings: every limit and timeout of a worker, in one value that tests can shrink."""

from __future__ import annotations

from dataclasses import dataclass

KIB = 1024


@dataclass(frozen=True, slots=True)
class Settings:
    """Limits in bytes and timeouts in seconds; the defaults are Heroku's where Heroku documents one."""

    first_byte: float = 30.0
    """The dyno's time to its first byte, counted from the last byte of the request (H12)."""
    idle: float = 55.0
    """Silence allowed after that, each way, tunnels included (H15, H28)."""
    connect: float = 5.0
    """Time to reach a dyno (H19)."""
    boot_wait: float = 75.0
    """How long a request waits for an app that is starting (H20)."""
    pause_wait: float = 30.0
    """How long a request waits for the end of a pause (H84)."""
    settle: float = 1.0
    """How long a request that every dyno refused, or that comes before the first table, waits for news (H21, H99)."""

    rest: float = 5.0
    """How long a dyno that refused a connection, or did not take it in time, gets no further ones."""

    client_idle: float = 75.0
    """How long a client may keep a connection open between two requests."""
    head_arrival: float = 30.0
    """How long a request head may take to arrive once it has begun."""
    body_rate: int = 100
    """Bytes per second at which a request body must arrive, on average over `idle` seconds (H28)."""
    linger: float = 5.0
    """How long an unread request body is thrown away, so that the client can read an early answer."""
    dyno_idle: float = 60.0
    """How long a pooled connection to a dyno is kept."""
    fresh: float = 0.5
    """A pooled connection used this recently may carry a request that cannot be repeated."""

    stop_grace: float = 30.0
    """SIGTERM to exit at the latest."""
    last_word: float = 1.0
    """After that, how long those that were not answered have to take the page that says so (H24)."""
    stop_idle: float = 5.0
    """After SIGTERM, how long an idle keep-alive connection may still bring one request."""
    tick: float = 0.25
    """How often deadlines are looked at."""

    max_line: int = 8 * KIB
    """Longest request line, and longest single header."""
    max_head: int = 64 * KIB
    """Longest request head."""
    max_headers: int = 1000
    """Most headers in a head, and most trailers."""
    max_answer_head: int = 512 * KIB
    """Longest head of a dyno's answer (H25)."""
    max_cookie: int = 8 * KIB
    """Longest cookie in an answer, as it would come back in a header that is too long (H25)."""
    max_unanswered: int = 1000
    """Requests that a dyno may have from this worker without having begun to answer them; more queue."""
    max_queue: int = 1000
    """Requests of an app that may queue, for each of its dynos (H11)."""
    max_active: int = 50_000
    """Requests and WebSockets of one app in this worker (H22); a worker may open five times as many files."""
    max_tries: int = 10
    """Dynos that a request is offered to before it waits for news."""
    max_idle_per_dyno: int = 128
    """Pooled idle connections per dyno."""

    max_streams: int = 100
    """Requests at once on a connection of HTTP/2; more are refused."""
    stream_window: int = 256 * KIB
    """Bytes of a request's body that may come over HTTP/2 before the dyno has taken some."""
    connection_window: int = 1024 * KIB
    """Of all requests' on one connection."""
    trifles: int = 10_000
    """Frames that are no request, and carry none, which a connection of HTTP/2 may bring at once (`patience`)."""
    trifle_rate: float = 1000.0
    """And how many it may bring per second, always."""
    reset_cost: int = 20
    """How many of them a stream counts for that its client resets, or that was no proper request."""
    notice: float = 1.0
    """After SIGTERM, how long the clients of HTTP/2 have to hear that they should begin no more requests here."""
