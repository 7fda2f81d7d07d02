"""webhooks and its kin: who is told what happens to an app."""

from __future__ import annotations

from typing import Any

from hostd.cli.call import Call
from hostd.cli.client import path
from hostd.cli.command import FOR_APP, JSON, Option, command
from hostd.cli.output import columns, pairs, printable

_INCLUDE = Option("include", "i", "what to tell of, with commas: api:release,api:build", "ENTITIES")
_LEVEL = Option("level", "l", "notify tells once, sync until it is taken", "LEVEL")
_SECRET = Option("secret", "s", "what signs the deliveries; without, one is made and shown", "SECRET")
_AUTHORIZATION = Option("authorization", "t", "an Authorization header for the receiver", "HEADER")
_URL = Option("url", "u", "where to", "URL")
_ID = "f6e8d969-129f-42d2-854b-c2eca9d5a42e"
_NEWEST = {"Range": "seq ..; order=desc,max=1000"}


@command(
    "webhooks",
    options=(*FOR_APP, JSON),
    examples=("hostctl webhooks -a hello",),
)
def webhooks(call: Call) -> None:
    """List an app's webhooks."""
    found = call.client.get(path("apps", call.app, "webhooks"))
    if call.flag("json"):
        call.print_json(found)
    elif not found:
        add = call.cmd(f"hostctl webhooks:add -i api:release -l notify -u https://example.com/hooks -a {call.app}")
        call.say(f"{call.error_style.app(call.app)} has no webhooks. Add one: {add}")
    else:
        found.sort(key=lambda webhook: webhook["created_at"])
        rows = [(each["id"], printable(each["url"]), ",".join(each["include"]), each["level"]) for each in found]
        call.print(*columns([("Webhook ID", "URL", "Include", "Level"), *rows]))


@command(
    "webhooks:add",
    options=(_INCLUDE, _LEVEL, _URL, _SECRET, _AUTHORIZATION, *FOR_APP, JSON),
    examples=(
        "hostctl webhooks:add -i api:release -l notify -u https://example.com/hooks -a hello",
        "hostctl webhooks:add -i api:build,api:dyno -l sync -u https://example.com/hooks -t 'Bearer 5up3r' -a hello",
    ),
)
def add(call: Call) -> None:
    """Tell an address of what happens to an app, from now on.

    Of api:addon, api:app, api:build, api:collaborator, api:domain, api:dyno, api:formation, api:release and
    api:sni-endpoint. Each delivery is signed with the secret, in the header Heroku-Webhook-Hmac-SHA256.
    """
    wanted = {
        "include": _entities(call.text("include")),
        "level": call.text("level"),
        "url": call.text("url"),
        "secret": call.text("secret"),
        "authorization": call.text("authorization"),
    }
    with call.action(f"Adding webhook to {call.error_style.app(call.app)}"):
        answer = call.client.request("POST", path("apps", call.app, "webhooks"), _given(wanted))
    if call.flag("json"):
        call.print_json(answer.data)
        return
    call.print(call.style.heading("Webhooks Signing Secret"))
    call.print(answer.headers.get("Heroku-Webhook-Secret") or "no secret found")


@command(
    "webhooks:info",
    "ID",
    options=(*FOR_APP, JSON),
    examples=(f"hostctl webhooks:info {_ID} -a hello",),
)
def info(call: Call) -> None:
    """Show a webhook."""
    found = call.client.get(path("apps", call.app, "webhooks", call.words[0]))
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
    options=(_INCLUDE, _LEVEL, _URL, _SECRET, _AUTHORIZATION, *FOR_APP, JSON),
    examples=(
        f"hostctl webhooks:update {_ID} -l sync -a hello",
        f"hostctl webhooks:update {_ID} -u https://example.com/elsewhere -a hello",
    ),
)
def update(call: Call) -> None:
    """Change a webhook; what is not named stays as it is."""
    include = call.text("include")
    wanted = {
        "include": _entities(include) if include is not None else None,
        "level": call.text("level"),
        "url": call.text("url"),
        "secret": call.text("secret"),
        "authorization": call.text("authorization"),
    }
    with call.action(f"Updating webhook {call.words[0]} for {call.error_style.app(call.app)}"):
        target = path("apps", call.app, "webhooks", call.words[0])
        changed = call.client.request("PATCH", target, _given(wanted)).data
    if call.flag("json"):
        call.print_json(changed)


@command(
    "webhooks:remove",
    "ID",
    options=(*FOR_APP, JSON),
    examples=(f"hostctl webhooks:remove {_ID} -a hello",),
)
def remove(call: Call) -> None:
    """Tell it no more. What was not delivered yet is not."""
    with call.action(f"Removing webhook {call.words[0]} from {call.error_style.app(call.app)}"):
        gone = call.client.request("DELETE", path("apps", call.app, "webhooks", call.words[0])).data
    if call.flag("json"):
        call.print_json(gone)


@command(
    "webhooks:deliveries",
    options=(Option("status", "s", "only those of this status: pending, retrying, failed, succeeded", "STATUS"),
             *FOR_APP, JSON),
    examples=("hostctl webhooks:deliveries -a hello", "hostctl webhooks:deliveries --status failed -a hello"),
)  # fmt: skip
def deliveries(call: Call) -> None:
    """List what was delivered, or is to be, oldest first: up to 1,000."""
    target = path("apps", call.app, "webhook-deliveries", **{"eq[status]": call.text("status")})
    found = call.client.get(target, headers=_NEWEST)
    if call.flag("json"):
        call.print_json(found)
    elif not found:
        call.say(f"{call.error_style.app(call.app)} has no deliveries.")
    else:
        head = ("Delivery ID", "Created", "Status", "Include", "Level", "Attempts", "Code", "Error", "Next Attempt")
        call.print(*columns([head, *(_row(each) for each in reversed(found))]))


@command(
    "webhooks:deliveries:info",
    "ID",
    options=(*FOR_APP, JSON),
    examples=(f"hostctl webhooks:deliveries:info {_ID} -a hello",),
)
def delivery(call: Call) -> None:
    """Show a delivery: how it went, why not, when it is tried next, and what is told."""
    found = call.client.get(path("apps", call.app, "webhook-deliveries", call.words[0]))
    event = call.client.get(path("apps", call.app, "webhook-events", found["event"]["id"]))
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
    options=(*FOR_APP, JSON),
    examples=("hostctl webhooks:events -a hello",),
)
def events(call: Call) -> None:
    """List what happened that a webhook wanted to be told of."""
    found = call.client.get(path("apps", call.app, "webhook-events"))
    if call.flag("json"):
        call.print_json(found)
    elif not found:
        call.say(f"{call.error_style.app(call.app)} has no events.")
    else:
        head = ("Event ID", "Resource", "Action", "Published At")
        call.print(*columns([head, *(_event_row(each) for each in found)]))


@command(
    "webhooks:events:info",
    "ID",
    options=(*FOR_APP, JSON),
    examples=(f"hostctl webhooks:events:info {_ID} -a hello",),
)
def event(call: Call) -> None:
    """Show an event: what happened, to what, by whom."""
    found = call.client.get(path("apps", call.app, "webhook-events", call.words[0]))
    if call.flag("json"):
        call.print_json(found)
        return
    call.print(call.style.heading(found["id"]))
    call.print_json(found["payload"])


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
