"""What is the same for everybody: regions, the bundled buildpacks, how the platform is; and filters."""

from hostd.api.schema.model import NO_DEFINITION, Link, Resource
from hostd.api.schema.words import (
    FLAG,
    MAYBE_TEXT,
    TEXT,
    TIME,
    UUID,
    WHOLE,
    body,
    choice,
    many,
    record,
    ref,
)

REGION = Resource(
    "region",
    "Where apps run: this server.",
    record(
        {
            "country": TEXT,
            "created_at": TIME,
            "description": TEXT,
            "id": UUID,
            "locale": TEXT,
            "name": TEXT,
            "private_capable": FLAG,
            "provider": record({"name": TEXT, "region": TEXT}),
            "updated_at": TIME,
        }
    ),
    (
        Link("GET /regions", "List", "The regions that there are.", many(ref("region"))),
        Link("GET /regions/{region}", "Info", "One region, by name or id.", ref("region")),
    ),
)

FILTER_APPS = Resource(
    "filter-apps",
    "Several apps at once.",
    NO_DEFINITION,
    (
        Link(
            "POST /filters/apps",
            "Apps",
            "Those of these apps that the caller may see.",
            many(ref("app")),
            body({"in": body({"id": {**many(UUID), "maxItems": 1000}}, needs=("id",))}, needs=("in",)),
        ),
    ),
)

BUILDPACK = Resource(
    "buildpack",
    "A bundled buildpack, as a registry of buildpacks shows it (HEROKU_BUILDPACK_REGISTRY_URL).",
    record(
        {
            "blob_url": TEXT,
            "category": TEXT,
            "description": TEXT,
            "id": UUID,
            "logo": MAYBE_TEXT,
            "name": TEXT,
            "namespace": TEXT,
            "source": record({"owner": TEXT, "repo": TEXT, "type": TEXT}),
            "support": record({"address": TEXT, "method": TEXT}),
        }
    ),
    (
        Link(
            "GET /buildpacks",
            "List",
            "The bundled buildpacks, all or those that are asked for.",
            many(ref("buildpack")),
            open=True,
            query={"in[namespace][]": TEXT, "in[name][]": TEXT, "like[description]": TEXT},
        ),
        Link("GET /buildpacks/{buildpack}", "Info", "One of them, as heroku%2Fpython.", ref("buildpack"), open=True),
        Link(
            "GET /buildpacks/{buildpack}/readme",
            "Readme",
            "What it is for.",
            record({"content": TEXT, "encoding": TEXT}),
            open=True,
        ),
        Link(
            "GET /buildpacks/{buildpack}/revisions",
            "Revisions",
            "Its versions: that of the platform.",
            many(record({"created_at": TIME, "id": UUID, "license": MAYBE_TEXT, "release": WHOLE, "status": TEXT})),
            open=True,
        ),
    ),
)

CURRENT_STATUS = Resource(
    "current-status",
    "How the platform is, as Heroku's status site says it (HEROKU_STATUS_HOST).",
    record(
        {
            "incidents": many(record({"created_at": TIME, "full_url": TEXT, "title": TEXT, "updates": many(TEXT)})),
            "scheduled": many(TEXT),
            "status": many(record({"status": choice("green", "yellow", "red"), "system": TEXT})),
        }
    ),
    (Link("GET /api/v4/current-status", "Info", "Green if all is well.", ref("current-status"), open=True),),
)

RESOURCES = (REGION, FILTER_APPS, BUILDPACK, CURRENT_STATUS)
