"""pipelines and its kin: apps in a row, from development to production."""

from __future__ import annotations

from typing import Any

from hostd.cli.call import Call
from hostd.cli.client import path
from hostd.cli.command import FOR_APP, JSON, Option, Usage, command
from hostd.cli.output import columns, printable

STAGES = ("test", "review", "development", "staging", "production")
_STAGE = Option("stage", "s", "test, review, development, staging or production", "STAGE")
_CONFIRM = Option("confirm", "c", "the pipeline's name, instead of typing it", "PIPELINE")
_PIPELINE = Option("pipeline", "p", "the pipeline, by its name or ID", "PIPELINE")


@command(
    "pipelines",
    options=(JSON,),
    examples=("hostctl pipelines",),
)
def pipelines(call: Call) -> None:
    """List the pipelines that you own, or that have apps which you may see."""
    found = call.client.get(path("pipelines"))
    if call.flag("json"):
        call.print_json(found)
    elif not found:
        make = call.cmd("hostctl pipelines:create example --stage production -a hello")
        call.say(f"There are no pipelines. Make one: {make}")
    else:
        call.print(call.style.heading("My Pipelines"), "", *sorted(each["name"] for each in found))


@command(
    "pipelines:create",
    "[NAME]",
    options=(_STAGE, *FOR_APP, JSON),
    examples=(
        "hostctl pipelines:create example --stage production -a hello",
        "hostctl pipelines:create -s staging -a hello-staging",
    ),
)
def create(call: Call) -> None:
    """Make a pipeline with an app in it; without a name it is called as the app.

    Without --stage the app's name tells: -staging, -dev and the like; else it is production.
    """
    app = call.app
    name = call.word or app
    stage = _stage(call, app)
    with call.action(f"Creating {name} pipeline"):
        made = call.client.request("POST", path("pipelines"), {"name": name}).data
    try:
        _couple(call, app, made, stage)
    except BaseException:
        # Nothing half done: a pipeline without an app is of no use.
        call.client.request("DELETE", path("pipelines", made["id"]))
        raise
    if call.flag("json"):
        call.print_json(made)


@command(
    "pipelines:add",
    "PIPELINE",
    options=(_STAGE, *FOR_APP, JSON),
    examples=("hostctl pipelines:add example --stage staging -a hello-staging",),
)
def add(call: Call) -> None:
    """Put an app into a pipeline."""
    app, pipeline = call.app, find(call, call.words[0])
    made = _couple(call, app, pipeline, _stage(call, app))
    if call.flag("json"):
        call.print_json(made)


@command(
    "pipelines:update",
    options=(_STAGE, *FOR_APP, JSON),
    examples=("hostctl pipelines:update --stage production -a hello",),
)
def update(call: Call) -> None:
    """Put an app at another stage of its pipeline."""
    app, stage = call.app, call.text("stage")
    if stage is None:
        raise Usage(f"Say the stage: --stage {', '.join(STAGES)}")
    with call.action(f"Changing {call.error_style.app(app)} to {stage}"):
        coupling = call.client.get(path("apps", app, "pipeline-couplings"))
        changed = call.client.request("PATCH", path("pipeline-couplings", coupling["id"]), {"stage": stage}).data
    if call.flag("json"):
        call.print_json(changed)


@command(
    "pipelines:remove",
    options=(*FOR_APP, JSON),
    examples=("hostctl pipelines:remove -a hello",),
)
def remove(call: Call) -> None:
    """Take an app out of its pipeline."""
    app = call.app
    coupling = call.client.get(path("apps", app, "pipeline-couplings"))
    with call.action(f"Removing {call.error_style.app(app)} from {coupling['pipeline']['name']}"):
        gone = call.client.request("DELETE", path("pipeline-couplings", coupling["id"])).data
    if call.flag("json"):
        call.print_json(gone)


@command(
    "pipelines:info",
    "PIPELINE",
    options=(JSON,),
    examples=("hostctl pipelines:info example",),
)
def info(call: Call) -> None:
    """Show a pipeline: whose it is, and its apps by their stages."""
    pipeline = find(call, call.words[0])
    couplings = in_order(call.client.get(path("pipelines", pipeline["id"], "pipeline-couplings")))
    if call.flag("json"):
        call.print_json({"pipeline": pipeline, "apps": couplings})
        return
    call.print(call.style.heading(pipeline["name"]), "", f"owner: {printable(pipeline['owner']['email'])}", "")
    if couplings:
        rows = [(call.style.app(each["app"]["name"]), each["stage"]) for each in couplings]
        call.print(*columns([("app name", "stage"), *rows]))
    else:
        call.print("It has no apps that you may see.")


@command(
    "pipelines:rename",
    "PIPELINE",
    "NEW-NAME",
    options=(JSON,),
    examples=("hostctl pipelines:rename example sample",),
)
def rename(call: Call) -> None:
    """Give a pipeline another name."""
    pipeline, name = find(call, call.words[0]), call.words[1]
    with call.action(f"Renaming {pipeline['name']} pipeline to {name}"):
        changed = call.client.request("PATCH", path("pipelines", pipeline["id"]), {"name": name}).data
    if call.flag("json"):
        call.print_json(changed)


@command(
    "pipelines:destroy",
    "PIPELINE",
    options=(_CONFIRM, JSON),
    examples=("hostctl pipelines:destroy example --confirm example",),
)
def destroy(call: Call) -> None:
    """Destroy a pipeline. Its apps stay as they are."""
    pipeline = find(call, call.words[0])
    call.confirm(pipeline["name"], f"This destroys the pipeline {pipeline['name']}; its apps stay.")
    with call.action(f"Destroying {pipeline['name']} pipeline"):
        gone = call.client.request("DELETE", path("pipelines", pipeline["id"])).data
    if call.flag("json"):
        call.print_json(gone)


@command(
    "pipelines:transfer",
    "EMAIL",
    options=(_PIPELINE, _CONFIRM, JSON),
    examples=("hostctl pipelines:transfer kate@example.com -p example --confirm example",),
)
def transfer(call: Call) -> None:
    """Give a pipeline to another user, at once, with those of its apps that are its owner's.

    The owner until now stays a collaborator of them. Apps of others stay theirs.
    """
    name = call.text("pipeline")
    if name is None:
        raise Usage("Say which pipeline: --pipeline PIPELINE")
    pipeline = find(call, name)
    what = f"the pipeline {pipeline['name']}, and its owner's apps in it,"
    call.confirm(pipeline["name"], f"This gives {what} to {call.words[0]}.")
    with call.action(f"Transferring {pipeline['name']} pipeline to {call.words[0]}"):
        wanted = {"pipeline": {"id": pipeline["id"]}, "new_owner": {"email": call.words[0]}}
        made = call.client.request("POST", path("pipeline-transfers"), wanted).data
    if call.flag("json"):
        call.print_json(made)


def find(call: Call, name: str) -> dict[str, Any]:
    """The pipeline of that name or id."""
    found: dict[str, Any] = call.client.get(path("pipelines", name))
    return found


def in_order(couplings: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Couplings by their stages, then by the names of their apps."""
    return sorted(couplings, key=lambda each: (STAGES.index(each["stage"]), each["app"]["name"]))


def _stage(call: Call, app: str) -> str:
    """The stage that is named, or that the app's name tells (as Heroku's command line guesses it)."""
    if (stage := call.text("stage")) is not None:
        if stage not in STAGES:
            raise Usage(f"There is no stage {stage[:40]!r}. There are: {', '.join(STAGES)}.")
        return stage
    endings = {"-dev": "development", "-development": "development", "-staging": "staging", "-stage": "staging",
               "-test": "test", "-qa": "staging", "-uat": "staging", "-review": "review"}  # fmt: skip
    return next((stage for ending, stage in endings.items() if app.endswith(ending)), "production")


def _couple(call: Call, app: str, pipeline: dict[str, Any], stage: str) -> dict[str, Any]:
    with call.action(f"Adding {call.error_style.app(app)} to {pipeline['name']} pipeline as {stage}"):
        wanted = {"app": app, "pipeline": pipeline["id"], "stage": stage}
        made: dict[str, Any] = call.client.request("POST", path("pipeline-couplings"), wanted).data
    return made
