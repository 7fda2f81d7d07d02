"""alerts; alerts:add, :info, :test, :pause, :resume, :remove."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from hostd.cli.call import Call
from hostd.cli.client import path
from hostd.cli.command import FOR_APP, JSON, Option, Usage, command
from hostd.cli.output import GREEN, RED, YELLOW, Style, columns, moment, pairs, printable, seconds

PLATFORM = Option("platform", None, "alerts of the whole server instead of an app's; admins only")
_WHOSE = (*FOR_APP, PLATFORM)
_SHOWN = 10
_COLOURS = {"firing": RED, "ending": YELLOW, "pending": YELLOW, "quiet": GREEN}


@command(
    "alerts",
    options=(*_WHOSE, JSON),
    examples=("hostctl alerts -a hello", "hostctl alerts --platform", "hostctl alerts -a hello --json"),
)
def alerts(call: Call) -> None:
    """List an app's alerts, how it stands with each, and who is told."""
    found: list[dict[str, Any]] = call.client.get(path(*_place(call)))
    if call.flag("json"):
        call.print_json(found)
    elif found:
        whose = "Platform" if call.flag("platform") else call.style.app(call.app)
        call.print(call.style.heading(f"{whose} Alerts"), "")
        rows = [_row(alert, call.around.clock(), call.style) for alert in found]
        call.print(*columns(rows, width=call.width, shorten=(1, 3)))
        for alert in found:
            _warn_of_trouble(call, alert)
    else:
        example = "'disk>90%' --platform" if call.flag("platform") else f"web 'p95>500ms' for 5m -a {call.app}"
        call.say(
            f"{_shown(call, call.error_style)} has no alerts. Set one: {call.cmd(f'hostctl alerts:add {example}')}"
        )


@command(
    "alerts:add",
    "CONDITION...",
    options=(
        Option("notify", "n", "whom to tell: mail:ADDRESS, https://..., or exec:PROGRAM", "TARGET", many=True),
        Option("dry-run", None, "only say how often it would have fired"),
        *_WHOSE,
        JSON,
    ),
    examples=(
        "hostctl alerts:add web 'p95>500ms' for 5m --notify mail:you@example.com -a hello",
        "hostctl alerts:add worker 'memory>90%' --notify https://hooks.example.com/T0/B1 -a hello",
        "hostctl alerts:add 'errors>5%' for 10m --dry-run -a hello",
        "hostctl alerts:add 'crashes>3' for 1h --notify exec:page -a hello",
        "hostctl alerts:add 'disk>90%' --notify mail:root@example.com --platform",
        "ssh git@HOST alerts:add 'H12>3' for 5m -n mail:you@example.com -a hello",
    ),
)
def add(call: Call) -> None:
    """Set an alert, and say how often it would have fired in the last week.

    CONDITION is a figure, > or <, a limit, and for how long, in quotes as a shell takes > for itself:
    p50, p95, p99 (ms or s), requests (/min or /s), errors (% or /min), memory (%, MB or GB), cpu (%), load,
    crashes, drain-loss, certificate (d), or a code such as H12, R14 or L10. The platform has disk (%) and
    certificate. A process type may stand before it. Levels have to hold for that long (5m), and what is counted
    counts within it (5m; crashes 1h). An app's log always has when an alert fires and ends; --notify, which may be
    given several times, tells others too. exec: runs a program that the server's admin has put there.
    """
    body: dict[str, Any] = {"condition": " ".join(call.words), "notify": call.texts("notify")}
    where = path(*_place(call))
    if call.flag("dry-run"):
        found = call.client.request("POST", where, {**body, "dry_run": True}).data
        if call.flag("json"):
            call.print_json(found)
        else:
            call.print(f"{found['condition']}: {_past(found['past'], call.around.clock())}")
        return
    with call.action(f"Adding `{printable(body['condition'])}` to {_shown(call, call.error_style)}") as action:
        alert = call.client.request("POST", where, body).data
        action.done = f"alert {alert['number']}"
    if call.flag("json"):
        call.print_json(alert)
        return
    call.say(_capital(_past(alert["past"], call.around.clock())))
    if not alert["notify"]:
        call.say("Only the log tells of it. To tell somebody too, add it with --notify.")


@command(
    "alerts:info",
    "ALERT",
    options=(*_WHOSE, JSON),
    examples=("hostctl alerts:info 1 -a hello", "hostctl alerts:info 1 --platform --json"),
)
def info(call: Call) -> None:
    """Show one alert: when it fired, who was told, and how often it would have fired in the last week."""
    alert: dict[str, Any] = call.client.get(path(*_place(call), call.words[0]))
    if call.flag("json"):
        call.print_json(alert)
        return
    now = call.around.clock()
    shown = {
        "Condition": printable(alert["condition"]),
        "Created": moment(alert["created_at"], now),
        "Last week": _past(alert["past"], now),
        "Notify": ", ".join(printable(each["target"]) for each in alert["notify"]) or "nobody: the log has it",
        "State": _state(alert, now, call.style),
    }
    call.print(call.style.heading(f"Alert {alert['number']}"), "", *pairs(shown, call.style))
    if firings := alert["firings"][:_SHOWN]:
        call.print("", call.style.heading("Firings"), "", *columns(_firing(each, now) for each in firings))
    if notices := alert["notices"][:_SHOWN]:
        rows = columns(_notice(each, now, call.style) for each in notices)
        call.print("", call.style.heading("Notices"), "", *rows)


@command(
    "alerts:test",
    "ALERT",
    options=(*_WHOSE, JSON),
    examples=("hostctl alerts:test 1 -a hello", "hostctl alerts:test 1 --platform"),
)
def test(call: Call) -> int:
    """Send a test to all whom an alert tells, now, and say how that went.

    Exit status 1 if one of them did not get it.
    """
    tried: list[dict[str, Any]] = call.client.request("POST", path(*_place(call), call.words[0], "tests")).data
    if call.flag("json"):
        call.print_json(tried)
    elif tried:
        call.print(*columns(_tried(each, call.style) for each in tried))
    else:
        call.say("This alert tells nobody but the log. Add one with --notify TARGET.")
    return 0 if all(each["sent"] for each in tried) else 1


@command("alerts:pause", "ALERT", options=_WHOSE, answers=True, examples=("hostctl alerts:pause 1 -a hello",))
def pause(call: Call) -> None:
    """Let an alert count no more until alerts:resume. If it fires, that ends, and nobody is told."""
    _switch(call, paused=True)


@command("alerts:resume", "ALERT", options=_WHOSE, answers=True, examples=("hostctl alerts:resume 1 -a hello",))
def resume(call: Call) -> None:
    """Let a paused alert count again, from now on."""
    _switch(call, paused=False)


@command("alerts:remove", "ALERT", options=_WHOSE, answers=True, examples=("hostctl alerts:remove 1 -a hello",))
def remove(call: Call) -> None:
    """Remove an alert and the record of its firings."""
    number, place = call.words[0], path(*_place(call), call.words[0])
    with call.action(f"Removing alert {printable(number)} from {_shown(call, call.error_style)}") as action:
        action.done = f"`{call.client.request('DELETE', place).data['condition']}`"


def _place(call: Call) -> tuple[str, ...]:
    if not call.flag("platform"):
        return "hostd", "apps", call.app, "alerts"
    if call.text("app") or call.text("remote"):
        raise Usage("Whose alerts: an app's (-a), or those of the server (--platform)?")
    return "hostd", "alerts"


def _shown(call: Call, style: Style) -> str:
    return "the platform" if call.flag("platform") else style.app(call.app)


def _switch(call: Call, *, paused: bool) -> None:
    number = call.words[0]
    doing = f"{'Pausing' if paused else 'Resuming'} alert {printable(number)} of {_shown(call, call.error_style)}"
    with call.action(doing) as action:
        alert = call.client.request("PATCH", path(*_place(call), number), {"paused": paused}).data
        action.done = f"`{alert['condition']}`"


def _row(alert: dict[str, Any], now: float, style: Style) -> Sequence[str]:
    return (
        style.paint(str(alert["number"]), YELLOW),
        printable(alert["condition"]),
        _state(alert, now, style),
        ", ".join(printable(each["target"]) for each in alert["notify"]) or "-",
    )


def _state(alert: dict[str, Any], now: float, style: Style) -> str:
    state = style.paint(alert["state"], _COLOURS.get(alert["state"], YELLOW))
    last = alert["firings"][0] if alert["firings"] else None
    if last is None:
        return state
    if last["ended_at"] is None:
        return f"{state} since {moment(last['began_at'], now)}"
    return f"{state}, fired last {moment(last['began_at'], now)}"


def _warn_of_trouble(call: Call, alert: dict[str, Any]) -> None:
    for each in alert["notify"]:
        if each["trouble"]:
            target, trouble = printable(each["target"]), printable(each["trouble"])
            call.warn(f"Alert {alert['number']} could not be sent to {target}: {trouble}")


def _firing(firing: dict[str, Any], now: float) -> Sequence[str]:
    if firing["ended_at"] is None:
        return moment(firing["began_at"], now), "goes on"
    return moment(firing["began_at"], now), printable(firing["reason"] or "")


def _notice(notice: dict[str, Any], now: float, style: Style) -> Sequence[str]:
    tries = f"{notice['tries']} tries" if notice["tries"] != 1 else "1 try"
    said = {
        "sent": style.paint("sent", GREEN),
        "failed": f"{style.paint('failed', RED)} after {tries}: {printable(notice['reason'] or '')}",
        "waiting": style.paint("waiting", YELLOW)
        + (f" after {tries}: {printable(notice['reason'])}" if notice["reason"] else ""),
    }[notice["status"]]
    return moment(notice["created_at"], now), notice["event"], printable(notice["target"]), said


def _tried(tried: dict[str, Any], style: Style) -> Sequence[str]:
    took = f"in {tried['seconds']:.1f}s"
    said = style.paint("sent", GREEN) if tried["sent"] else style.paint("failed", RED)
    return printable(tried["target"]), f"{said} {took}{'' if tried['sent'] else ': ' + printable(tried['reason'])}"


def _past(past: dict[str, Any], now: float) -> str:
    """How often it would have fired, in words."""
    if past["since"] is None:
        return "there is no history yet to tell how often it would have fired"
    days = (now - seconds(past["since"])) / 86400
    span = "in the last week" if days > 6.9 else f"in the {_span(days)} of which there is history"
    if not past["times"]:
        return f"it would not have fired {span}"
    times = "once" if past["times"] == 1 else f"{past['times']} times"
    last = past["episodes"][0]
    ended = f"for {_minutes(last['minutes'])}" if last["minutes"] else "and would fire now"
    said = f"it would have fired {times} {span}"
    together = f", for {_minutes(past['minutes'])} together" if past["times"] > 1 and past["minutes"] else ""
    return f"{said}{together}; {'the last time ' if past['times'] > 1 else ''}{moment(last['began_at'], now)} {ended}"


def _span(days: float) -> str:
    if days >= 2:
        return f"{days:.0f} days"
    hours = round(days * 24)
    return f"{hours} hours" if hours >= 2 else f"{max(1, round(days * 1440))} minutes"


def _minutes(count: int) -> str:
    if count >= 120:
        return f"{count // 60}h{count % 60}m" if count % 60 else f"{count // 60}h"
    return f"{count} minute{'s' * (count != 1)}"


def _capital(text: str) -> str:
    return f"{text[:1].upper()}{text[1:]}."
