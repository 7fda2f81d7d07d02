"""addons, addons:services, addons:plans: what there is of add-ons, which is nothing yet; and regions."""

from __future__ import annotations

from hostd.cli.call import Call
from hostd.cli.client import path
from hostd.cli.command import APP, JSON, REMOTE, Option, command
from hostd.cli.output import columns

ALL = Option("all", "A", "the add-ons of all apps that you may see")


@command("addons", options=(ALL, APP, REMOTE, JSON), examples=("hostctl addons -a hello", "hostctl addons --all"))
def addons(call: Call) -> None:
    """List an app's add-ons, or those of all your apps: with --all, and where nothing says which app is meant."""
    app = None if call.flag("all") else call.app_if_any
    found = call.client.get(path("apps", app, "addons") if app else path("addons"))
    if call.flag("json"):
        call.print_json(found)
    elif not found:
        call.print(f"No add-ons for app {call.style.app(app)}." if app else "No add-ons.")
    else:
        rows = [(each["app"]["name"], each["name"], each["plan"]["name"], each["state"]) for each in found]
        call.print(*columns([("App", "Add-on", "Plan", "State"), *rows], width=call.width))


@command("addons:services", options=(JSON,), examples=("hostctl addons:services",))
def services(call: Call) -> None:
    """List the add-on services of this server."""
    found = call.client.get(path("addon-services"))
    if call.flag("json"):
        call.print_json(found)
    elif not found:
        call.print("There are no add-on services on this server.")
    else:
        rows = [(each["name"], each["human_name"], each["state"]) for each in found]
        call.print(*columns([("Slug", "Name", "State"), *rows], width=call.width))


@command("addons:plans", "SERVICE", options=(JSON,), examples=("hostctl addons:plans SERVICE",))
def plans(call: Call) -> None:
    """List the plans of an add-on service."""
    found = call.client.get(path("addon-services", call.words[0], "plans"))
    if call.flag("json"):
        call.print_json(found)
        return
    rows = [("*" if each["default"] else "", each["name"], each["human_name"]) for each in found]
    call.print(*columns([("Default", "Slug", "Name"), *rows], width=call.width))


@command("regions", options=(JSON,), examples=("hostctl regions",))
def regions(call: Call) -> None:
    """List the regions in which apps can run: there is this server."""
    found = call.client.get(path("regions"))
    if call.flag("json"):
        call.print_json(found)
        return
    runtime = {True: "Private Spaces", False: "Common Runtime"}
    rows = [(each["name"], each["description"], runtime[each["private_capable"]]) for each in found]
    call.print(*columns([("ID", "Location", "Runtime"), *rows], width=call.width, shorten=(1,)))
