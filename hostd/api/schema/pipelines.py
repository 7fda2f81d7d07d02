"""Pipelines, their couplings and promotions."""

from hostd.api.schema.model import Link, Resource
from hostd.api.schema.words import (
    ANYTHING,
    FILLED,
    IDENTIFIED,
    MAYBE_TEXT,
    NAMED,
    TEXT,
    TIME,
    UUID,
    body,
    choice,
    many,
    maybe,
    named_by,
    record,
    ref,
)

_STAGE = choice("test", "review", "development", "staging", "production")
_OWNER = record({"id": UUID, "type": TEXT})


_APP = body({"app": named_by("id", "name")}, needs=("app",))
_SOURCE = body({"app": named_by("id", "name"), "release": maybe(body({"id": FILLED}, needs=("id",)))}, needs=("app",))

PIPELINE = Resource(
    "pipeline",
    "Apps in a row, from development to production.",
    record({
        "created_at": TIME,
        "generation": NAMED,
        "id": UUID,
        "name": TEXT,
        "owner": record({"email": TEXT, "id": UUID, "type": TEXT}),
        "updated_at": TIME,
    }),
    (
        Link("GET /pipelines", "List", "Those that the caller may know of.", many(ref("pipeline")),
             query={"eq[name]": TEXT}),
        Link(
            "POST /pipelines",
            "Create",
            "A new pipeline.",
            ref("pipeline"),
            # The official CLI adds a generation.
            body(
                {
                    "generation": ANYTHING,
                    "name": FILLED,
                    "owner": maybe(body({"id": FILLED, "type": TEXT}, needs=("id",))),
                },
                needs=("name",),
            ),
            201,
        ),
        Link("GET /pipelines/{pipeline}", "Info", "One, by its id or name.", ref("pipeline")),
        Link("PATCH /pipelines/{pipeline}", "Update", "Rename it.", ref("pipeline"),
             body({"name": FILLED}, needs=("name",))),
        Link("DELETE /pipelines/{pipeline}", "Delete", "Destroy it; its apps stay.", ref("pipeline")),
    ),
)  # fmt: skip

TRANSFER = Resource(
    "pipeline-transfer",
    "A pipeline's change of owner.",
    record({"new_owner": _OWNER, "pipeline": NAMED, "previous_owner": _OWNER}),
    (
        Link(
            "POST /pipeline-transfers",
            "Create",
            "Give a pipeline to another user, with those of its apps that are its owner's.",
            ref("pipeline-transfer"),
            body({"new_owner": named_by("id", "email"), "pipeline": named_by("id")}, needs=("new_owner", "pipeline")),
            201,
        ),
    ),
)

COUPLING = Resource(
    "pipeline-coupling",
    "That an app is in a pipeline, and at which stage.",
    record({"app": NAMED, "created_at": TIME, "id": UUID, "pipeline": NAMED, "stage": _STAGE, "updated_at": TIME}),
    (
        Link("GET /pipeline-couplings", "List", "Those of apps that the caller may see.",
             many(ref("pipeline-coupling"))),
        Link("GET /users/~/pipeline-couplings", "List By Current User", "The same.", many(ref("pipeline-coupling"))),
        Link("GET /pipelines/{pipeline}/pipeline-couplings", "List By Pipeline", "Those of a pipeline.",
             many(ref("pipeline-coupling"))),
        Link("GET /apps/{app}/pipeline-couplings", "Info By App", "That of an app.", ref("pipeline-coupling")),
        Link("GET /pipeline-couplings/{coupling}", "Info", "One.", ref("pipeline-coupling")),
        Link(
            "POST /pipeline-couplings",
            "Create",
            "Put an app into a pipeline.",
            ref("pipeline-coupling"),
            body({"app": named_by("id", "name"), "pipeline": named_by("id"), "stage": _STAGE},
                 needs=("app", "pipeline", "stage")),
            201,
        ),
        Link("PATCH /pipeline-couplings/{coupling}", "Update", "Put an app at another stage.",
             ref("pipeline-coupling"), body({"stage": _STAGE}, needs=("stage",))),
        Link("DELETE /pipeline-couplings/{coupling}", "Delete", "Take an app out of its pipeline.",
             ref("pipeline-coupling")),
    ),
)  # fmt: skip

PROMOTION = Resource(
    "pipeline-promotion",
    "The code of an app, given to others of its pipeline.",
    record({
        "created_at": TIME,
        "id": UUID,
        "pipeline": IDENTIFIED,
        "source": record({"app": IDENTIFIED, "release": IDENTIFIED}),
        "status": choice("pending", "completed"),
        "updated_at": TIME,
    }),
    (
        Link(
            "POST /pipeline-promotions",
            "Create",
            "Promote what an app runs to others.",
            ref("pipeline-promotion"),
            body(
                {
                    "pipeline": named_by("id"),
                    "source": _SOURCE,
                    "targets": {"type": "array", "items": _APP, "minItems": 1, "maxItems": 100},
                },
                needs=("pipeline", "source", "targets"),
            ),
            201,
        ),
        Link("GET /pipeline-promotions/{promotion}", "Info", "How far it is.", ref("pipeline-promotion")),
    ),
)

TARGET = Resource(
    "pipeline-promotion-target",
    "An app that is promoted to.",
    record({
        "app": IDENTIFIED,
        "error_message": MAYBE_TEXT,
        "id": UUID,
        "pipeline_promotion": IDENTIFIED,
        "release": maybe(IDENTIFIED),
        "status": choice("pending", "succeeded", "failed"),
    }),
    (
        Link("GET /pipeline-promotions/{promotion}/promotion-targets", "List", "How far it is with each target.",
             many(ref("pipeline-promotion-target"))),
    ),
)  # fmt: skip

RESOURCES = (PIPELINE, TRANSFER, COUPLING, PROMOTION, TARGET)
