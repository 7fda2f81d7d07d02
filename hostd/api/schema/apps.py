"""Apps, their collaborators and their automatic certificates."""

from hostd.api.schema.model import Link, Resource
from hostd.api.schema.words import (
    FILLED,
    FLAG,
    MAYBE_FLAG,
    MAYBE_TEXT,
    MAYBE_TIME,
    MAYBE_WHOLE,
    NAMED,
    NOTHING,
    PERMISSIONS,
    PERSON,
    TEXT,
    TIME,
    UUID,
    body,
    choice,
    like,
    many,
    maybe,
    one_of,
    record,
    ref,
    said,
)

_NAME = said(one_of(MAYBE_TEXT, body({"name": FILLED}, needs=("name",))), "a name")

APP = Resource(
    "app",
    "An app: the code, its config vars and its dynos.",
    record(
        {
            "acm": FLAG,
            "archived_at": MAYBE_TIME,
            "build_stack": NAMED,
            "buildpack_provided_description": MAYBE_TEXT,
            "create_status": TEXT,
            "created_at": TIME,
            "generation": NAMED,
            "git_url": said(TEXT, "The repository, over https where that is offered."),
            "id": UUID,
            "internal_routing": MAYBE_FLAG,
            "maintenance": FLAG,
            "name": TEXT,
            "organization": said(NOTHING, "As `team`."),
            "owner": PERSON,
            "process_tier": TEXT,
            "region": NAMED,
            "released_at": MAYBE_TIME,
            "repo_size": said(MAYBE_WHOLE, "Bytes of the repository; null where it was not measured."),
            "slug_size": said(MAYBE_WHOLE, "Bytes of the slug that runs."),
            "space": NOTHING,
            "ssh_url": said(TEXT, "The repository over ssh."),
            "stack": NAMED,
            "team": NOTHING,
            "updated_at": TIME,
            "web_url": MAYBE_TEXT,
        },
        # Only where apps are asked for by their ids.
        {"joined": FLAG, "locked": FLAG},
    ),
    (
        Link("GET /apps", "List", "The apps the caller may work on; for an admin every app.", many(ref("app"))),
        Link(
            "GET /users/{user}/apps",
            "List Owned And Collaborated",
            "The apps that a user owns or collaborates on: the caller (`~`), or for an admin anybody.",
            many(ref("app")),
        ),
        Link(
            "POST /apps",
            "Create",
            "Create an app; without a name it gets a generated one.",
            ref("app"),
            body(
                {
                    "name": MAYBE_TEXT,
                    "stack": _NAME,
                    "region": _NAME,
                    "buildpacks": maybe(many(TEXT)),
                    "space": MAYBE_TEXT,
                    "team": MAYBE_TEXT,
                }
            ),
            201,
        ),
        Link("GET /apps/{app}", "Info", "One app, by name or id.", ref("app")),
        Link(
            "PATCH /apps/{app}",
            "Update",
            "Rename an app, switch its maintenance mode, or choose the stack of its next build.",
            ref("app"),
            body({"name": MAYBE_TEXT, "maintenance": MAYBE_FLAG, "build_stack": like(MAYBE_TEXT, "host")}, closed=True),
        ),
        Link("DELETE /apps/{app}", "Delete", "Destroy an app; its dynos stop and its name is free.", ref("app")),
        Link(
            "POST /apps/{app}/acm",
            "Enable ACM",
            "Let the app get its certificates by itself.",
            ref("app"),
            body({"challenge": MAYBE_TEXT}),
        ),
        Link(
            "PATCH /apps/{app}/acm",
            "Refresh ACM",
            "Try at once what waits.",
            ref("app"),
            body({"acm_refresh": FLAG, "hostname": MAYBE_TEXT, "force": MAYBE_FLAG}, needs=("acm_refresh",)),
        ),
        Link("DELETE /apps/{app}/acm", "Disable ACM", "Let the app get no certificates by itself.", ref("app")),
    ),
)

_PERMISSIONS = said(
    like(many(one_of(FILLED, body({"name": FILLED}, needs=("name",)))), ["deploy"]),
    'a list such as ["deploy", "operate"]',
)

COLLABORATOR = Resource(
    "collaborator",
    "Somebody with a right to an app: its owner or a collaborator.",
    record(
        {
            "app": NAMED,
            "created_at": TIME,
            "id": UUID,
            "permissions": PERMISSIONS,
            "role": MAYBE_TEXT,
            "updated_at": TIME,
            "user": record({"email": TEXT, "federated": FLAG, "id": UUID}),
        }
    ),
    (
        Link(
            "GET /apps/{app}/collaborators",
            "List",
            "The owner first, then the collaborators.",
            many(ref("collaborator")),
        ),
        Link("GET /apps/{app}/collaborators/{user}", "Info", "One of them, by address or id.", ref("collaborator")),
        Link(
            "POST /apps/{app}/collaborators",
            "Create",
            "Let a user work on the app; without permissions they may view, deploy and operate.",
            ref("collaborator"),
            body(
                {
                    "user": said(
                        like(
                            one_of(
                                FILLED, body({"email": FILLED}, needs=("email",)), body({"id": FILLED}, needs=("id",))
                            ),
                            "ann@example.com",
                        ),
                        "an email address, or an object with email or id",
                    ),
                    "permissions": maybe(_PERMISSIONS),
                    "silent": MAYBE_FLAG,
                },
                needs=("user",),
            ),
            201,
        ),
        Link(
            "PATCH /apps/{app}/collaborators/{user}",
            "Update",
            "Let them have these rights and no others.",
            ref("collaborator"),
            body({"permissions": _PERMISSIONS}, needs=("permissions",)),
        ),
        Link("DELETE /apps/{app}/collaborators/{user}", "Delete", "Take the right away again.", ref("collaborator")),
    ),
)

ACM = Resource(
    "acm",
    "How it stands with an app's automatic certificates.",
    record(
        {
            "app": NAMED,
            "challenge": MAYBE_TEXT,
            "directory": TEXT,
            "domains": many(
                record(
                    {
                        "certificate": MAYBE_TEXT,
                        "expires_at": MAYBE_TIME,
                        "hostname": TEXT,
                        "reason": MAYBE_TEXT,
                        "retry_at": MAYBE_TIME,
                        "status": TEXT,
                    }
                )
            ),
            "enabled": FLAG,
        }
    ),
    (Link("GET /hostd/apps/{app}/acm", "Info", "How it stands with each of the app's names.", ref("acm")),),
)

CONFIG_VAR = Resource(
    "config-var",
    "Config vars: what a release is configured with, by names.",
    {"type": "object", "additionalProperties": TEXT},
    (
        Link("GET /apps/{app}/config-vars", "Info For App", "The config vars as they are now.", ref("config-var")),
        Link(
            "GET /apps/{app}/releases/{release}/config-vars",
            "Info For App Release",
            "Those of one release.",
            ref("config-var"),
        ),
        Link(
            "PATCH /apps/{app}/config-vars",
            "Update",
            "Set config vars, and unset those given as null; answers with all of them.",
            ref("config-var"),
            {"type": "object", "additionalProperties": said(MAYBE_TEXT, "a text, or null to unset it")},
        ),
    ),
)

BUILDPACK_INSTALLATION = Resource(
    "buildpack-installation",
    "One buildpack of an app, in its order.",
    record({"buildpack": record({"name": TEXT, "url": TEXT}), "ordinal": {"type": "integer"}}),
    (
        Link(
            "GET /apps/{app}/buildpack-installations",
            "List",
            "The buildpacks, first to last.",
            many(ref("buildpack-installation")),
        ),
        Link(
            "PUT /apps/{app}/buildpack-installations",
            "Update",
            "Let the app have exactly these buildpacks from its next build on.",
            many(ref("buildpack-installation")),
            body(
                {
                    "updates": like(many(body({"buildpack": FILLED})), [{"buildpack": "heroku/python"}]),
                },
                needs=("updates",),
            ),
        ),
    ),
)

CHECK = Resource(
    "check",
    "A health check: what dynos of a type have to answer before they get requests.",
    record({"path": TEXT, "source": choice("checks:set", "app.json"), "type": TEXT}),
    (
        Link("GET /hostd/apps/{app}/checks", "List", "The checks that count.", many(ref("check"))),
        Link(
            "PUT /hostd/apps/{app}/checks/{type}",
            "Update",
            "Ask dynos of a type for a path.",
            many(ref("check")),
            body({"path": like(FILLED, "/health")}, needs=("path",)),
        ),
        Link("DELETE /hostd/apps/{app}/checks/{type}", "Delete", "Forget what was set.", many(ref("check"))),
    ),
)

RESOURCES = (APP, COLLABORATOR, ACM, CONFIG_VAR, BUILDPACK_INSTALLATION, CHECK)
