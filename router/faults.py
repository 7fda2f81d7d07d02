"""Faults: the ways a request ends without the app's own answer, under Heroku's codes."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Fault:
    """One kind of failure: what the log says (`code`, `desc`), the status, and what the page tells a person."""

    code: str
    desc: str
    status: int
    title: str
    advice: str
    level: str = "error"
    side: str = ""
    """Whose socket broke (`client`, `backend`), as Heroku's `sock=` says it."""
    cause: str = ""
    """What exactly was wrong with a request, as Heroku's `cause=` of H26 says it."""
    headers: tuple[str, ...] = ()
    """Lines that the head of the page has."""


_LOGS = "If you run this app, its log says more: hostctl logs --tail"

H10 = Fault("H10", "App crashed", 503, "This app has crashed", f"It is restarted by itself. {_LOGS}")
H11 = Fault(
    "H11", "Backlog too deep", 503, "This app has more requests than it can answer", f"Try again in a while. {_LOGS}"
)
H12 = Fault("H12", "Request timeout", 503, "This app took too long to answer", f"Try again in a while. {_LOGS}")
H13 = Fault(
    "H13", "Connection closed without response", 503, "This app hung up without an answer", f"Try again. {_LOGS}"
)
H14 = Fault(
    "H14",
    "No web processes running",
    503,
    "Nothing is running here",
    "This app has no web dynos. If you run it, start one: hostctl ps:scale web=1",
)
H15 = Fault("H15", "Idle connection", 503, "This app fell silent", f"Try again. {_LOGS}")
H17 = Fault(
    "H17", "Poorly formatted HTTP response", 503, "This app's answer could not be understood", f"Try again. {_LOGS}"
)
H18 = Fault(
    "H18",
    "Server Request Interrupted",
    503,
    "This app broke off its answer",
    f"Try again. {_LOGS}",
    side="backend",
)
H19 = Fault(
    "H19", "Backend connection timeout", 503, "This app could not be reached in time", f"Try again in a while. {_LOGS}"
)
H20 = Fault("H20", "App boot timeout", 503, "This app is still starting", f"Try again in a while. {_LOGS}")
H21 = Fault("H21", "Backend connection refused", 503, "This app is not taking requests", f"Try again. {_LOGS}")
H22 = Fault(
    "H22", "Connection limit reached", 503, "This app has too many visitors at once", f"Try again in a while. {_LOGS}"
)
H23 = Fault(
    "H23",
    "Endpoint misconfigured",
    503,
    "A proxy on the way takes WebSockets apart",
    "A WebSocket was asked for, but a proxy between you and this server removed the Upgrade header. "
    "If you run that proxy, let it pass Upgrade and Connection on.",
)
H24 = Fault("H24", "Forced close", 503, "This server is being restarted", "Try again in a moment.")
H27 = Fault("H27", "Client Request Interrupted", 499, "", "", level="warning", side="client")
H28 = Fault("H28", "Client Connection Idle", 499, "", "", level="warning")
H31 = Fault(
    "H31",
    "Misdirected Request",
    421,
    "This connection is for another app",
    "The TLS connection was made to one app, and the request is for another. Connect to its own name.",
)
H42 = Fault(
    "H42",
    "Too many guesses",
    429,
    "Too many wrong passwords",
    "Passwords are tried from where you are faster than this app allows. Try again in a minute.",
    level="warning",
    headers=("Retry-After: 60",),
)
H43 = Fault(
    "H43",
    "Address not allowed",
    403,
    "This app is not for everybody",
    "It lets in only certain networks, and you come from none of them. "
    "If you run it, see which these are: hostctl access:gate.",
    level="info",
)
H80 = Fault(
    "H80",
    "Maintenance mode",
    503,
    "Down for maintenance",
    "This app is being worked on and will be back. Try again in a while.",
    level="info",
)
H84 = Fault(
    "H84",
    "Paused",
    503,
    "This app is paused for a moment",
    "Try again in a while. If you run it, let it go on: hostctl router:resume.",
    level="warning",
)
H99 = Fault(
    "H99",
    "Platform error",
    503,
    "Something went wrong on this server",
    "This is the platform's fault, not the app's. Its operator finds the reason in: journalctl --namespace=hostd",
)
NO_TABLE = Fault(
    "H99",
    "Platform error",
    503,
    "This server is not ready yet",
    "The router has no route table. If you run this server, look at: systemctl status hostd",
)
NO_APP = Fault(
    "",
    "No such app",
    404,
    "There is no app here",
    "No app on this server has this name. Check the address; hostctl apps lists the apps there are.",
)


def unauthorized(app: str, cause: str) -> Fault:
    """H41: the gate of an app asks for a password, and none came, or not the right one (`cause`)."""
    return Fault(
        "H41",
        "Unauthorized",
        401,
        "This app asks for a password",
        "Only those get in who have one. If you run it, see who has: hostctl access:gate.",
        level="info",
        cause=cause,
        headers=(f'WWW-Authenticate: Basic realm="{app}", charset="UTF-8"',),
    )


def refusal(status: int, cause: str) -> Fault:
    """H26: a request that breaks the rules of HTTP, or asks for what is not offered, and how (`cause`)."""
    advice = f"{cause[:1].upper()}{cause[1:]}."
    return Fault("H26", "Request Error", status, REASONS.get(status, "Refused"), advice, cause=cause)


def restriction(what: str) -> Fault:
    """H25: an answer that would be HTTP, but is not passed on, and why."""
    advice = f"Its answer was withheld: {what}. {_LOGS}"
    return Fault("H25", f"HTTP restriction: {what}", 502, "This app's answer could not be passed on", advice)


REASONS = {
    200: "OK",
    400: "Bad Request",
    401: "Unauthorized",
    403: "Forbidden",
    404: "Not Found",
    405: "Method Not Allowed",
    408: "Request Timeout",
    414: "URI Too Long",
    417: "Expectation Failed",
    421: "Misdirected Request",
    429: "Too Many Requests",
    431: "Request Header Fields Too Large",
    501: "Not Implemented",
    502: "Bad Gateway",
    503: "Service Unavailable",
    505: "HTTP Version Not Supported",
}
