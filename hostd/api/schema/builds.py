"""Builds, the sources they take, slugs, and deploys that somebody waits for."""

from hostd.api.schema.model import NO_DEFINITION, Link, Resource
from hostd.api.schema.words import (
    ANYTHING,
    FILLED,
    FLAG,
    IDENTIFIED,
    MAYBE_TEXT,
    MAYBE_TIME,
    MAYBE_WHOLE,
    NAMED,
    PERSON,
    TEXT,
    TIME,
    URI,
    UUID,
    WHOLE,
    between,
    body,
    choice,
    like,
    many,
    maybe,
    record,
    ref,
    said,
    table,
)

_TIMEOUT = said(maybe(between(1, 86400)), "a number of seconds from 1 to 86400, or null")

_SIGNED = {"expires": WHOLE, "signature": TEXT}

BUILD = Resource(
    "build",
    "A build: how source became a slug.",
    record(
        {
            "app": NAMED,
            "buildpacks": many(record({"name": TEXT, "url": TEXT})),
            "created_at": TIME,
            "extended": record(
                {
                    "buildpacks": many(table(ANYTHING)),
                    "cancelled": FLAG,
                    "ended_at": MAYBE_TIME,
                    "reason": MAYBE_TEXT,
                    "release_version": MAYBE_WHOLE,
                    "report": MAYBE_TEXT,
                    "source": TEXT,
                }
            ),
            "generation": TEXT,
            "id": UUID,
            "output_stream_url": URI,
            "release": maybe(IDENTIFIED),
            "slug": maybe(IDENTIFIED),
            "source_blob": record(
                {
                    "checksum": MAYBE_TEXT,
                    "url": MAYBE_TEXT,
                    "version": MAYBE_TEXT,
                    "version_description": MAYBE_TEXT,
                }
            ),
            "stack": MAYBE_TEXT,
            "status": choice("pending", "succeeded", "failed"),
            "updated_at": TIME,
            "user": PERSON,
        }
    ),
    (
        Link("GET /apps/{app}/builds", "List", "Builds, oldest first.", many(ref("build"))),
        Link("GET /apps/{app}/builds/{build}", "Info", "One build, by its id or the beginning of it.", ref("build")),
        Link(
            "GET /apps/{app}/builds/{build}/output",
            "Output",
            "What the build prints, as it is printed.",
            media="text/plain",
        ),
        Link(
            "POST /apps/{app}/builds",
            "Create",
            "Build and release a source; answers when the build has begun.",
            ref("build"),
            body(
                {
                    "source_blob": body(
                        {
                            "url": like(FILLED, "https://example.com/app.tgz"),
                            "version": MAYBE_TEXT,
                            "checksum": MAYBE_TEXT,
                            "version_description": MAYBE_TEXT,
                        },
                        needs=("url",),
                    ),
                    "buildpacks": like(
                        maybe(many(body({"url": MAYBE_TEXT, "name": MAYBE_TEXT}))), [{"url": "heroku/python"}]
                    ),
                    "timeout": _TIMEOUT,
                },
                needs=("source_blob",),
            ),
            201,
        ),
        Link(
            "GET /hostd/signed/builds/{app}/{build}",
            "Signed Output",
            "The same at a signed address.",
            media="text/plain",
            query=_SIGNED,
            open=True,
        ),
        Link("DELETE /apps/{app}/builds/{build}", "Delete", "Cancel a build that runs.", ref("build"), status=202),
    ),
)

BUILD_SETTINGS = Resource(
    "build-settings",
    "How long an app's builds may take, in seconds: its own limit, or null, and the default.",
    record({"default": WHOLE, "timeout": MAYBE_WHOLE}),
    (
        Link("GET /hostd/apps/{app}/build-settings", "Info", "How long builds may take.", ref("build-settings")),
        Link(
            "PATCH /hostd/apps/{app}/build-settings",
            "Update",
            "Set how long builds may take.",
            ref("build-settings"),
            body({"timeout": _TIMEOUT}, needs=("timeout",)),
        ),
    ),
)

SOURCE = Resource(
    "source",
    "A place to upload a tarball to, and from which a build takes it.",
    record({"source_blob": record({"get_url": URI, "put_url": URI})}),
    (
        Link(
            "POST /sources",
            "Create For Any",
            "A place for the source of a build of any app, or of a setup, that the caller begins within an hour.",
            ref("source"),
            status=201,
        ),
        Link(
            "POST /apps/{app}/sources",
            "Create",
            "A place for the source of a build, good for an hour.",
            ref("source"),
            status=201,
        ),
        Link(
            "PUT /hostd/sources/{source}",
            "Upload",
            "Take the tarball, as the body of the request.",
            record({}),
            takes="application/octet-stream",
            open=True,
        ),
    ),
)

_USAGE = maybe(record({"exclusive": WHOLE, "shared": WHOLE, "total": WHOLE}))

SLUG = Resource(
    "slug",
    "A slug: what a build made of source, ready to run.",
    record(
        {
            "blob": record({"method": TEXT, "url": URI}),
            "buildpack_provided_description": MAYBE_TEXT,
            "checksum": MAYBE_TEXT,
            "commit": MAYBE_TEXT,
            "commit_description": MAYBE_TEXT,
            "created_at": TIME,
            "deleted_at": MAYBE_TIME,
            "extended": record(
                {
                    "buildpacks": ANYTHING,
                    "current": FLAG,
                    "dropped_at": MAYBE_TIME,
                    "files": MAYBE_WHOLE,
                    "releases": many(WHOLE),
                    "stack_version": MAYBE_TEXT,
                    "stored": FLAG,
                }
            ),
            "id": UUID,
            "process_types": table(TEXT),
            "size": MAYBE_WHOLE,
            "stack": NAMED,
            "updated_at": TIME,
        }
    ),
    (
        Link("GET /apps/{app}/slugs", "List", "The app's slugs that are kept, newest first.", many(ref("slug"))),
        Link(
            "POST /apps/{app}/slugs",
            "Create",
            "Announce a slug that was built elsewhere: `PUT` its .tgz to the blob's url, then release it.",
            ref("slug"),
            body(
                {
                    "process_types": like(table(FILLED), {"web": "./server"}),
                    "buildpack_provided_description": MAYBE_TEXT,
                    "checksum": MAYBE_TEXT,
                    "commit": MAYBE_TEXT,
                    "commit_description": MAYBE_TEXT,
                    "stack": MAYBE_TEXT,
                },
                needs=("process_types",),
            ),
            201,
        ),
        Link("GET /apps/{app}/slugs/{slug}", "Info", "One slug, by its id, by a release, or `current`.", ref("slug")),
        Link("GET /hostd/apps/{app}/slugs/{slug}/usage", "Usage", "What the slug takes on disk, measured now.", _USAGE),
        Link("GET /hostd/apps/{app}/slugs/{slug}/tarball", "Tarball", "The slug's files.", media="application/x-tar"),
    ),
)

CACHE = Resource(
    "build-cache",
    "What an app's builds keep for the next one.",
    record({"app": NAMED, "usage": _USAGE}),
    (
        Link("GET /hostd/apps/{app}/cache", "Info", "What the build cache takes on disk.", ref("build-cache")),
        Link(
            "DELETE /hostd/apps/{app}/cache",
            "Delete",
            "Throw the build cache away.",
            record({"app": NAMED, "purged": FLAG}),
        ),
        Link(
            "DELETE /apps/{app}/build-cache",
            "Delete Cache",
            "The same, as Heroku has it.",
            record({"app": NAMED, "purged": FLAG}),
        ),
    ),
)

GARBAGE = Resource(
    "garbage",
    "A slug that no release within the kept number needs.",
    record(
        {
            "app": record({"id": UUID, "name": MAYBE_TEXT}),
            "commit": MAYBE_TEXT,
            "created_at": TIME,
            "id": UUID,
            "releases": many(WHOLE),
            "size": MAYBE_WHOLE,
        }
    ),
    (
        Link("GET /hostd/slugs/garbage", "List", "What the next clean-up deletes; for admins.", many(ref("garbage"))),
        Link("DELETE /hostd/slugs/garbage", "Delete", "Clean up now; for admins.", many(ref("garbage"))),
    ),
)

DEPLOY = Resource(
    "deploy",
    "A deploy that somebody waits for: output as it is made, and a last line that says how it ended.",
    NO_DEFINITION,
    (
        Link(
            "POST /hostd/deploys",
            "Create",
            "Deploy a tar stream, or with a JSON body a git repository.",
            body=body({"git": body({"url": FILLED, "ref": MAYBE_TEXT}, needs=("url",))}, needs=("git",)),
            media="application/octet-stream",
            takes="application/x-tar",
            query={"app": TEXT, "build": UUID, "version": TEXT, "timeout": WHOLE, "strip": choice("0", "1")},
        ),
        Link(
            "GET /hostd/ssh/keys",
            "SSH Key",
            "The user whose ssh key this is, and its id.",
            record({"key": UUID, "user": TEXT}),
            query={"type": TEXT, "key": TEXT},
            public=False,
        ),
        Link(
            "POST /hostd/ssh/repositories",
            "SSH Repository",
            "Where the repository of an app is.",
            record({"app": TEXT, "app_id": UUID, "path": TEXT}),
            body({"user": FILLED, "app": FILLED, "service": FILLED}, needs=("user", "app", "service")),
            public=False,
        ),
        Link(
            "POST /hostd/git/repositories",
            "HTTPS Repository",
            "Where the repository of an app is, for who has a token.",
            record({"app": TEXT, "app_id": UUID, "authorization": UUID, "path": TEXT, "user": TEXT}),
            body(
                {
                    "token": FILLED,
                    "door": choice("loopback", "router"),
                    "address": FILLED,
                    "app": FILLED,
                    "service": FILLED,
                },
                needs=("token", "door", "address", "app", "service"),
            ),
            public=False,
        ),
        Link(
            "POST /hostd/pushes",
            "Push",
            "Deploy a pushed tree.",
            media="application/octet-stream",
            takes="application/x-tar",
            public=False,
            query={
                "user": TEXT,
                "app": TEXT,
                "commit": TEXT,
                "push": UUID,
                "ref": TEXT,
                "submodules": TEXT,
                "door": TEXT,
                "address": TEXT,
                "authorization": UUID,
            },
        ),
        Link(
            "GET /hostd/pushes/{push}",
            "Push Outcome",
            "How a push ended.",
            record({"reason": MAYBE_TEXT, "status": TEXT, "version": MAYBE_WHOLE}),
            public=False,
        ),
    ),
)

RESOURCES = (BUILD, BUILD_SETTINGS, SOURCE, SLUG, CACHE, GARBAGE, DEPLOY)
