"""Add-ons, teams and spaces: of these the platform has none, and says so in Heroku's shapes."""

from hostd.api.schema.model import Link, Resource
from hostd.api.schema.words import (
    FILLED,
    FLAG,
    MAYBE_FLAG,
    MAYBE_TEXT,
    NAMED,
    OBJECT,
    TEXT,
    TIME,
    UUID,
    WHOLE,
    body,
    choice,
    many,
    maybe,
    one_of,
    record,
    ref,
    said,
    table,
)

_PRICE = record({"cents": WHOLE, "contract": FLAG, "unit": TEXT}, {"metered": FLAG})

ADDON_SERVICE = Resource(
    "add-on-service",
    "A service of which apps can have add-ons.",
    record(
        {
            "cli_plugin_name": MAYBE_TEXT,
            "created_at": TIME,
            "human_name": TEXT,
            "id": UUID,
            "name": TEXT,
            "state": choice("alpha", "beta", "ga", "shutdown"),
            "supports_multiple_installations": FLAG,
            "supports_sharing": FLAG,
            "updated_at": TIME,
        }
    ),
    (
        Link("GET /addon-services", "List", "The services that there are.", many(ref("add-on-service"))),
        Link("GET /addon-services/{service}", "Info", "One service, by name or id.", ref("add-on-service")),
    ),
)

PLAN = Resource(
    "plan",
    "A plan of an add-on service.",
    record(
        {
            "addon_service": NAMED,
            "created_at": TIME,
            "default": FLAG,
            "description": TEXT,
            "human_name": TEXT,
            "id": UUID,
            "name": TEXT,
            "price": _PRICE,
            "state": TEXT,
            "updated_at": TIME,
            "visible": FLAG,
        }
    ),
    (Link("GET /addon-services/{service}/plans", "List", "The plans of a service.", many(ref("plan"))),),
)

ADDON = Resource(
    "add-on",
    "An add-on of an app.",
    record(
        {
            "addon_service": NAMED,
            "app": NAMED,
            "billed_price": maybe(_PRICE),
            "billing_entity": record({"id": UUID, "name": TEXT, "type": TEXT}),
            "config_vars": many(TEXT),
            "created_at": TIME,
            "id": UUID,
            "name": TEXT,
            "plan": NAMED,
            "provider_id": MAYBE_TEXT,
            "provision_message": MAYBE_TEXT,
            "state": choice("provisioning", "provisioned", "deprovisioning", "deprovisioned"),
            "updated_at": TIME,
            "web_url": MAYBE_TEXT,
        }
    ),
    (
        Link("GET /users/{user}/addons", "List By User", "Those of a user's apps.", many(ref("add-on"))),
        Link("GET /addons", "List", "The add-ons of all apps the caller may work on.", many(ref("add-on"))),
        Link("GET /addons/{addon}", "Info", "One add-on, by name or id.", ref("add-on")),
        Link("GET /apps/{app}/addons", "List By App", "The add-ons of an app.", many(ref("add-on"))),
        Link(
            "POST /apps/{app}/addons",
            "Create",
            "Give an app an add-on.",
            ref("add-on"),
            # The official CLI sends the plan as an object or as a text, in two of its commands.
            body(
                {
                    "attachment": maybe(body({"name": MAYBE_TEXT})),
                    "config": maybe(OBJECT),
                    "confirm": MAYBE_TEXT,
                    "name": MAYBE_TEXT,
                    "plan": said(
                        one_of(FILLED, body({"name": FILLED}, needs=("name",)), body({"id": FILLED}, needs=("id",))),
                        "the name of a plan, or an object with name or id",
                    ),
                },
                needs=("plan",),
            ),
            201,
        ),
        Link("GET /apps/{app}/addons/{addon}", "Info By App", "One add-on of an app.", ref("add-on")),
        Link(
            "POST /actions/addons/resolve",
            "Resolution",
            "The add-ons that a name may mean.",
            many(ref("add-on")),
            body({"addon": FILLED, "addon_service": MAYBE_TEXT, "app": MAYBE_TEXT}, needs=("addon",)),
        ),
    ),
)

ADDON_ATTACHMENT = Resource(
    "add-on-attachment",
    "How an app is connected with an add-on.",
    record(
        {
            "addon": record({"app": NAMED, "id": UUID, "name": TEXT}, {"plan": NAMED}),
            "app": NAMED,
            "created_at": TIME,
            "id": UUID,
            "log_input_url": MAYBE_TEXT,
            "name": TEXT,
            "namespace": MAYBE_TEXT,
            "updated_at": TIME,
            "web_url": MAYBE_TEXT,
        },
        {"config_vars": many(TEXT)},
    ),
    (
        Link(
            "GET /addon-attachments",
            "List",
            "The attachments of all apps the caller may work on.",
            many(ref("add-on-attachment")),
        ),
        Link("GET /addon-attachments/{attachment}", "Info", "One attachment, by its id.", ref("add-on-attachment")),
        Link(
            "GET /addons/{addon}/addon-attachments",
            "List By Add-On",
            "The attachments of an add-on.",
            many(ref("add-on-attachment")),
        ),
        Link(
            "GET /apps/{app}/addon-attachments",
            "List By App",
            "The attachments of an app.",
            many(ref("add-on-attachment")),
        ),
        Link(
            "GET /apps/{app}/addon-attachments/{attachment}",
            "Info By App",
            "One attachment of an app.",
            ref("add-on-attachment"),
        ),
        Link(
            "POST /actions/addon-attachments/resolve",
            "Resolution",
            "The attachments that a name may mean.",
            many(ref("add-on-attachment")),
            body(
                {"addon_attachment": FILLED, "addon_service": MAYBE_TEXT, "app": MAYBE_TEXT},
                needs=("addon_attachment",),
            ),
        ),
    ),
)

USAGE = Resource(
    "usage",
    "What an app's add-ons count.",
    record(
        {"addons": many(record({"id": UUID, "meters": table(record({"quantity": WHOLE}))})), "id": UUID, "name": TEXT}
    ),
    (Link("GET /apps/{app}/usage", "Info", "What the add-ons of an app count.", ref("usage")),),
)

TELEMETRY_DRAIN = Resource(
    "telemetry-drain",
    "Where an app's telemetry is sent.",
    record(
        {
            "exporter": record({"endpoint": TEXT, "headers": table(TEXT), "type": TEXT}),
            "id": UUID,
            "owner": record({"id": UUID, "type": TEXT}),
            "signals": many(TEXT),
        }
    ),
    (
        Link(
            "GET /apps/{app}/telemetry-drains", "List", "The telemetry drains of an app.", many(ref("telemetry-drain"))
        ),
    ),
)

TEAM = Resource(
    "team",
    "A team of people that owns apps.",
    record(
        {
            "created_at": TIME,
            "default": FLAG,
            "id": UUID,
            "name": TEXT,
            "role": MAYBE_TEXT,
            "type": TEXT,
            "updated_at": TIME,
        }
    ),
    (
        Link("GET /teams", "List", "The caller's teams.", many(ref("team"))),
        Link("GET /teams/{team}", "Info", "One team.", ref("team")),
        Link(
            "POST /teams/apps",
            "Create App",
            "Create an app that a team owns.",
            ref("app"),
            body({"name": MAYBE_TEXT, "team": MAYBE_TEXT, "space": MAYBE_TEXT, "personal": MAYBE_FLAG}),
            201,
        ),
        Link("GET /teams/apps/{app}", "Info Of App", "An app that a team owns.", ref("app")),
        Link("GET /teams/{team}/apps", "List Apps", "The apps of a team.", many(ref("app"))),
    ),
)

SPACE = Resource(
    "space",
    "A network of a team's own.",
    record(
        {
            "created_at": TIME,
            "id": UUID,
            "name": TEXT,
            "region": NAMED,
            "shield": FLAG,
            "state": TEXT,
            "team": NAMED,
            "updated_at": TIME,
        }
    ),
    (
        Link("GET /spaces", "List", "The spaces that the caller may use.", many(ref("space"))),
        Link("GET /spaces/{space}", "Info", "One space.", ref("space")),
    ),
)

RESOURCES = (ADDON_SERVICE, PLAN, ADDON, ADDON_ATTACHMENT, USAGE, TELEMETRY_DRAIN, TEAM, SPACE)
