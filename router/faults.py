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


_LOGS = "If you run this app, its log says more: hostctl logs --tail"

H10 = Fault("H10", "App crashed", 503, "This app has crashed", f"It is restarted by itself. {_LOGS}")
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
H20 = Fault("H20", "App boot timeout", 503, "This app took too long to start", f"Try again in a while. {_LOGS}")
H21 = Fault("H21", "Backend connection refused", 503, "This app is not taking requests", f"Try again. {_LOGS}")
H27 = Fault("H27", "Client Request Interrupted", 499, "", "", side="client")
H28 = Fault("H28", "Client Connection Idle", 499, "", "", side="client")
H80 = Fault(
    "H80",
    "Maintenance mode",
    503,
    "Down for maintenance",
    "This app is being worked on and will be back. Try again in a while.",
    level="info",
)
H99 = Fault(
    "H99",
    "Platform error",
    500,
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


def refusal(status: int, reason: str) -> Fault:
    """A request that we do not pass on at all, and why."""
    return Fault("", reason, status, REASONS.get(status, "Refused"), f"{reason}.")


REASONS = {
    400: "Bad Request",
    404: "Not Found",
    405: "Method Not Allowed",
    408: "Request Timeout",
    414: "URI Too Long",
    417: "Expectation Failed",
    431: "Request Header Fields Too Large",
    500: "Internal Server Error",
    501: "Not Implemented",
    503: "Service Unavailable",
    505: "HTTP Version Not Supported",
}
