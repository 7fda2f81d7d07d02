"""Accounts and ssh keys."""

from hostd.api.schema.model import Link, Resource
from hostd.api.schema.words import (
    FILLED,
    FLAG,
    MAYBE_TEXT,
    MAYBE_TIME,
    NAMED,
    PERMISSIONS,
    TEXT,
    TIME,
    UUID,
    body,
    choice,
    like,
    many,
    maybe,
    record,
    ref,
)

_EXAMPLE_KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIOMqqnkVzrm0SdG6UOoqKLsabgH5C9okWi0dh2l9GKJl you@example.com"

_CHANGED = body({"allow_tracking": maybe(FLAG), "beta": maybe(FLAG), "email": MAYBE_TEXT, "name": MAYBE_TEXT})

ACCOUNT = Resource(
    "account",
    "A person who may use the platform.",
    record(
        {
            "allow_tracking": FLAG,
            "beta": FLAG,
            "country_of_residence": MAYBE_TEXT,
            "default_organization": maybe(record({"id": UUID, "name": TEXT})),
            "default_team": maybe(record({"id": UUID, "name": TEXT})),
            "email": TEXT,
            "federated": FLAG,
            "id": UUID,
            "identity_provider": maybe(record({"id": UUID, "name": TEXT})),
            "last_login": MAYBE_TIME,
            "sms_number": MAYBE_TEXT,
            "suspended_at": MAYBE_TIME,
            "delinquent_at": MAYBE_TIME,
            "two_factor_authentication": FLAG,
            "verified": FLAG,
        },
        # Of others only an admin is told these.
        {"admin": FLAG, "created_at": TIME, "name": MAYBE_TEXT, "updated_at": TIME},
    ),
    (
        Link("GET /account", "Info", "Who the caller is.", ref("account")),
        Link(
            "PATCH /account",
            "Update",
            "Call oneself by another name. The email, by which one is known, does not change.",
            ref("account"),
            _CHANGED,
        ),
        Link("PATCH /users/{user}", "Update By User", "The same, by one's own email or id, or `~`.",
             ref("account"), _CHANGED),
        Link("GET /users/~", "Info By User", "Who the caller is.", ref("account")),
        Link(
            "GET /users/{user}",
            "Info Of User",
            "One user: oneself, or for an admin anybody; of others, by their email, that they are one.",
            ref("account"),
        ),
    ),
)

KEY = Resource(
    "key",
    "An ssh key of an account.",
    record(
        {
            "comment": MAYBE_TEXT,
            "created_at": TIME,
            "email": TEXT,
            "fingerprint": TEXT,
            "id": UUID,
            "public_key": TEXT,
            "updated_at": TIME,
        }
    ),
    (
        Link("GET /account/keys", "List", "The caller's ssh keys.", many(ref("key"))),
        Link(
            "POST /account/keys",
            "Create",
            "Add an ssh key, given as the text of its public file.",
            ref("key"),
            body({"public_key": like(FILLED, _EXAMPLE_KEY)}, needs=("public_key",)),
            201,
        ),
        Link("GET /account/keys/{key}", "Info", "One ssh key, by id, fingerprint or comment.", ref("key")),
        Link("DELETE /account/keys/{key}", "Delete", "Remove an ssh key.", ref("key")),
        Link("DELETE /account/keys", "Clear", "Remove all of the caller's ssh keys.", many(ref("key"))),
    ),
)

USER = Resource(
    "user",
    "A user with their ssh keys and the apps that they own or work on.",
    record({
        **ACCOUNT.definition["properties"],
        "apps": many(record({"app": NAMED, "permissions": PERMISSIONS, "role": choice("owner", "collaborator")})),
        "keys": many(ref("key")),
    }),
    (
        Link("GET /hostd/users", "List", "All users; for admins.", many(ref("account"))),
        Link(
            "POST /hostd/users",
            "Create",
            "Add a user, perhaps with an ssh key; for admins.",
            ref("account"),
            body(
                {"email": like(FILLED, "ann@example.com"), "admin": maybe(FLAG), "public_key": maybe(FILLED)},
                needs=("email",),
            ),
            201,
        ),
        Link("GET /hostd/users/{user}", "Info", "One user with their keys and apps.", ref("user")),
        Link("PATCH /hostd/users/{user}", "Update", "Make a user an admin, or one no more; for admins.",
             ref("account"), body({"admin": FLAG}, needs=("admin",), closed=True)),
        Link("DELETE /hostd/users/{user}", "Delete", "Remove a user with their keys, tokens and rights; for admins.",
             ref("account")),
        Link("POST /hostd/users/{user}/keys", "Add Key", "Add an ssh key of a user; for admins.", ref("key"),
             body({"public_key": FILLED}, needs=("public_key",)), 201),
    ),
)

RESOURCES = (ACCOUNT, KEY, USER)
