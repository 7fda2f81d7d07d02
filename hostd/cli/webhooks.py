"""webhooks and its kin: who is told what happens to an app, or to the apps of a pipeline."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from hostd.cli.call import Call
from hostd.cli.client import path
from hostd.cli.command import FOR_APP, JSON, Option, Usage, command
from hostd.cli.output import columns, pairs, printable

_INCLUDE = Option("include", "i", "what to tell of, with commas: api:release,api:build", "ENTITIES")
_LEVEL = Option("level", "l", "notify tells once, sync until it is taken", "LEVEL")
_SECRET = Option("secret", "s", "what signs the deliveries; without, one is made and shown", "SECRET")
_AUTHORIZATION = Option("authorization", "t", "an Authorization header for the receiver", "HEADER")
_URL = Option("url", "u", "where to", "URL")
_PIPELINE = Option("pipeline", "p", "the pipeline whose webhooks are meant, instead of an app's", "PIPELINE")
_WHOSE = (*FOR_APP, _PIPELINE)
_ID = "f6e8d969-129f-42d2-854b-c2eca9d5a42e"
_NEWEST = {"Range": "seq ..; order=desc,max=1000"}


@dataclass(frozen=True, slots=True)
class Whose:
    """The app or the pipeline whose webhooks are meant: its place in the API, its name on stderr, and its flag."""

    topic: str
    name: str
    display: str
    flag: str

    def path(self, *segments: str, **query: str | None) -> str:
        """A path below it."""
        return path(self.topic, self.name, *segments, **query)


@command(
    "webhooks",
    options=(*_WHOSE, JSON),
    examples=("hostctl webhooks -a hello", "hostctl webhooks -p example"),
)
def webhooks(call: Call) -> None:
    """List the webhooks of an app, or of a pipeline."""
    whose = _whose(call)
    found = call.client.get(whose.path("webhooks"))
    if call.flag("json"):
        call.print_json(found)
    elif not found:
        add = call.cmd(f"hostctl webhooks:add -i api:release -l notify -u https://example.com/hooks {whose.flag}")
        call.say(f"{whose.display} has no webhooks. Add one: {add}")
    else:
        found.sort(key=lambda webhook: webhook["created_at"])
        rows = [(each["id"], printable(each["url"]), ",".join(each["include"]), each["level"]) for each in found]
        call.print(*columns([("Webhook ID", "URL", "Include", "Level"), *rows]))


@command(
    "webhooks:add",
    options=(_INCLUDE, _LEVEL, _URL, _SECRET, _AUTHORIZATION, *_WHOSE, JSON),
    examples=(
        "hostctl webhooks:add -i api:release -l notify -u https://example.com/hooks -a hello",
        "hostctl webhooks:add -i api:build,api:dyno -l sync -u https://example.com/hooks -t 'Bearer 5up3r' -a hello",
        "hostctl webhooks:add -i api:release -l notify -u https://example.com/hooks -p example",
    ),
)
def add(call: Call) -> None:
    """Tell an address of what happens to an app, or to the apps of a pipeline, from now on.

    Of api:addon, api:app, api:build, api:collaborator, api:domain, api:dyno, api:formation, api:release and
    api:sni-endpoint. Each delivery is signed with the secret, in the header Heroku-Webhook-Hmac-SHA256.
    A pipeline's webhook is told of the apps that are in it at that moment and that the pipeline's owner may view.
    """
    whose = _whose(call)
    wanted = {
        "include": _entities(call.text("include")),
        "level": call.text("level"),
        "url": call.text("url"),
        "secret": call.text("secret"),
        "authorization": call.text("authorization"),
    }
    with call.action(f"Adding webhook to {whose.display}"):
        answer = call.client.request("POST", whose.path("webhooks"), _given(wanted))
    if call.flag("json"):
        call.print_json(answer.data)
        return
    call.print(call.style.heading("Webhooks Signing Secret"))
    call.print(answer.headers.get("Heroku-Webhook-Secret") or "no secret found")


@command(
    "webhooks:info",
    "ID",
    options=(*_WHOSE, JSON),
    examples=(f"hostctl webhooks:info {_ID} -a hello",),
)
def info(call: Call) -> None:
    """Show a webhook."""
    whose = _whose(call)
    found = call.client.get(whose.path("webhooks", call.words[0]))
    if call.flag("json"):
        call.print_json(found)
        return
    call.print(call.style.heading(found["id"]))
    call.print(
        *pairs({
            "Webhook ID": found["id"],
            "URL": printable(found["url"]),
            "Include": ",".join(found["include"]),
            "Level": found["level"],
        })
    )


@command(
    "webhooks:update",
    "ID",
    options=(_INCLUDE, _LEVEL, _URL, _SECRET, _AUTHORIZATION, *_WHOSE, JSON),
    examples=(
        f"hostctl webhooks:update {_ID} -l sync -a hello",
        f"hostctl webhooks:update {_ID} -u https://example.com/elsewhere -a hello",
    ),
)
def update(call: Call) -> None:
    """Change a webhook; what is not named stays as it is."""
    whose, include = _whose(call), call.text("include")
    wanted = {
        "include": _entities(include) if include is not None else None,
        "level": call.text("level"),
        "url": call.text("url"),
        "secret": call.text("secret"),
        "authorization": call.text("authorization"),
    }
    with call.action(f"Updating webhook {call.words[0]} for {whose.display}"):
        target = whose.path("webhooks", call.words[0])
        changed = call.client.request("PATCH", target, _given(wanted)).data
    if call.flag("json"):
        call.print_json(changed)


@command(
    "webhooks:remove",
    "ID",
    options=(*_WHOSE, JSON),
    examples=(f"hostctl webhooks:remove {_ID} -a hello",),
)
def remove(call: Call) -> None:
    """Tell it no more. What was not delivered yet is not."""
    whose = _whose(call)
    with call.action(f"Removing webhook {call.words[0]} from {whose.display}"):
        gone = call.client.request("DELETE", whose.path("webhooks", call.words[0])).data
    if call.flag("json"):
        call.print_json(gone)


@command(
    "webhooks:deliveries",
    options=(Option("status", "s", "only those of this status: pending, retrying, failed, succeeded", "STATUS"),
             *_WHOSE, JSON),
    examples=("hostctl webhooks:deliveries -a hello", "hostctl webhooks:deliveries --status failed -a hello"),
)  # fmt: skip
def deliveries(call: Call) -> None:
    """List what was delivered, or is to be, oldest first: up to 1,000."""
    whose = _whose(call)
    target = whose.path("webhook-deliveries", **{"eq[status]": call.text("status")})
    found = call.client.get(target, headers=_NEWEST)
    if call.flag("json"):
        call.print_json(found)
    elif not found:
        call.say(f"{whose.display} has no deliveries.")
    else:
        head = ("Delivery ID", "Created", "Status", "Include", "Level", "Attempts", "Code", "Error", "Next Attempt")
        call.print(*columns([head, *(_row(each) for each in reversed(found))]))


@command(
    "webhooks:deliveries:info",
    "ID",
    options=(*_WHOSE, JSON),
    examples=(f"hostctl webhooks:deliveries:info {_ID} -a hello",),
)
def delivery(call: Call) -> None:
    """Show a delivery: how it went, why not, when it is tried next, and what is told."""
    whose = _whose(call)
    found = call.client.get(whose.path("webhook-deliveries", call.words[0]))
    event = call.client.get(whose.path("webhook-events", found["event"]["id"]))
    if call.flag("json"):
        call.print_json(found)
        return
    last = found["last_attempt"] or {}
    call.print(call.style.heading(found["id"]))
    call.print(
        *pairs({
            "Created": found["created_at"],
            "Event": found["event"]["id"],
            "Webhook": found["webhook"]["id"],
            "Status": found["status"],
            "Include": found["event"]["include"],
            "Level": found["webhook"]["level"],
            "Attempts": found["num_attempts"],
            "Latest": last.get("created_at") or "",
            "Code": "" if last.get("code") is None else last["code"],
            "Error": printable(last.get("error_class") or ""),
            "Next Attempt": found["next_attempt_at"] or "",
        })
    )
    call.print("", call.style.heading("Event Payload"))
    call.print_json(event["payload"])


@command(
    "webhooks:events",
    options=(*_WHOSE, JSON),
    examples=("hostctl webhooks:events -a hello",),
)
def events(call: Call) -> None:
    """List what happened that a webhook wanted to be told of."""
    whose = _whose(call)
    found = call.client.get(whose.path("webhook-events"))
    if call.flag("json"):
        call.print_json(found)
    elif not found:
        call.say(f"{whose.display} has no events.")
    else:
        head = ("Event ID", "Resource", "Action", "Published At")
        call.print(*columns([head, *(_event_row(each) for each in found)]))


@command(
    "webhooks:events:info",
    "ID",
    options=(*_WHOSE, JSON),
    examples=(f"hostctl webhooks:events:info {_ID} -a hello",),
)
def event(call: Call) -> None:
    """Show an event: what happened, to what, by whom."""
    whose = _whose(call)
    found = call.client.get(whose.path("webhook-events", call.words[0]))
    if call.flag("json"):
        call.print_json(found)
        return
    call.print(call.style.heading(found["id"]))
    call.print_json(found["payload"])


def _whose(call: Call) -> Whose:
    """Whose webhooks are meant: --pipeline, else as for any command the app. Raises Usage if both are named."""
    pipeline = call.text("pipeline")
    if pipeline is None:
        return Whose("apps", call.app, call.error_style.app(call.app), f"-a {call.app}")
    if not pipeline:
        raise Usage("The flag --pipeline is empty.")
    if call.text("app") or call.text("remote"):
        raise Usage("Whose webhooks? Say either -a APP or -p PIPELINE, not both.")
    return Whose("pipelines", pipeline, pipeline, f"-p {pipeline}")


def _entities(text: str | None) -> list[str] | None:
    return None if text is None else [word.strip() for word in text.split(",") if word.strip()]


def _given(wanted: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in wanted.items() if value is not None}


def _row(found: dict[str, Any]) -> tuple[str, ...]:
    last = found["last_attempt"] or {}
    return (
        found["id"],
        found["created_at"],
        found["status"],
        found["event"]["include"],
        found["webhook"]["level"],
        str(found["num_attempts"]),
        "" if last.get("code") is None else str(last["code"]),
        printable(last.get("error_class") or ""),
        found["next_attempt_at"] or "",
    )


def _event_row(found: dict[str, Any]) -> tuple[str, ...]:
    payload = found["payload"]
    return found["id"], payload["resource"], payload["action"], payload["published_at"]
