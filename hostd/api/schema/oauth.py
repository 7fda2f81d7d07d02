"""Authorizations, which are tokens, and the rest of OAuth."""

from hostd.api.schema.model import Link, Resource
from hostd.api.schema.words import (
    FILLED,
    MAYBE_TEXT,
    MAYBE_TIME,
    MAYBE_WHOLE,
    NOTHING,
    TEXT,
    TIME,
    UUID,
    WHOLE,
    body,
    many,
    maybe,
    one_of,
    record,
    ref,
    said,
)

_SECONDS = said(
    one_of(WHOLE, {"type": "string", "pattern": "^[0-9]{0,12}$"}, NOTHING), "a number of seconds, or null for ever"
)
"""Heroku's command line sends a text."""
_ONE = "/oauth/authorizations/{oauth_authorization}"

AUTHORIZATION = Resource(
    "oauth-authorization",
    "A token with which a program speaks for an account.",
    record(
        {
            "access_token": record({"expires_in": MAYBE_WHOLE, "id": UUID, "token": TEXT}),
            "client": maybe(record({"id": UUID, "name": TEXT, "redirect_uri": MAYBE_TEXT})),
            "created_at": TIME,
            "description": TEXT,
            "grant": maybe(record({"code": TEXT, "expires_in": WHOLE, "id": UUID})),
            "id": UUID,
            "last_used_at": MAYBE_TIME,
            "last_used_from": MAYBE_TEXT,
            "refresh_token": maybe(record({"expires_in": MAYBE_WHOLE, "id": UUID, "token": TEXT})),
            "scope": many(TEXT),
            "session": maybe(record({"id": UUID})),
            "updated_at": TIME,
            "user": record({"email": TEXT, "full_name": MAYBE_TEXT, "id": UUID}),
        }
    ),
    (
        Link(
            "GET /oauth/authorizations",
            "List",
            "The caller's authorizations that have not ended.",
            many(ref("oauth-authorization")),
        ),
        Link(
            "POST /oauth/authorizations",
            "Create",
            "A new token for the caller; it is shown this once.",
            ref("oauth-authorization"),
            body(
                {
                    "client": MAYBE_TEXT,
                    "description": MAYBE_TEXT,
                    "expires_in": _SECONDS,
                    "scope": maybe(many(TEXT)),
                }
            ),
            201,
        ),
        Link(f"GET {_ONE}", "Info", "One of the caller's authorizations.", ref("oauth-authorization")),
        Link(
            f"PATCH {_ONE}",
            "Update",
            "Give an authorization another description.",
            ref("oauth-authorization"),
            body({"client": maybe({"type": ["string", "object"]}), "description": MAYBE_TEXT}),
        ),
        Link(
            f"DELETE {_ONE}",
            "Delete",
            "Revoke an authorization: its token is worth nothing from now on.",
            ref("oauth-authorization"),
        ),
        Link(
            f"POST {_ONE}/actions/regenerate-tokens",
            "Regenerate",
            "Give an authorization another token; the one before is worth nothing from now on.",
            ref("oauth-authorization"),
            body({}),
        ),
    ),
)

_CLIENT = "/oauth/clients/{oauth_client}"
CLIENT = Resource(
    "oauth-client",
    "A program that users let in through a browser; there are none on this platform.",
    record(
        {
            "created_at": TIME,
            "id": UUID,
            "ignores_delinquent": maybe({"type": "boolean"}),
            "name": TEXT,
            "redirect_uri": TEXT,
            "secret": TEXT,
            "updated_at": TIME,
        }
    ),
    (
        Link("GET /oauth/clients", "List", "No clients.", many(ref("oauth-client"))),
        Link(
            "POST /oauth/clients",
            "Create",
            "Refused: nobody logs in through a browser.",
            ref("oauth-client"),
            body({"name": FILLED, "redirect_uri": FILLED}, needs=("name", "redirect_uri")),
            201,
        ),
        Link(f"GET {_CLIENT}", "Info", "There is none.", ref("oauth-client")),
        Link(f"PATCH {_CLIENT}", "Update", "There is none.", ref("oauth-client"), body({})),
        Link(f"DELETE {_CLIENT}", "Delete", "There is none.", ref("oauth-client")),
        Link(
            f"POST {_CLIENT}/actions/rotate-credentials",
            "Rotate Credentials",
            "There is none.",
            ref("oauth-client"),
            body({}),
        ),
    ),
)

SESSION = Resource(
    "oauth-session",
    "A login through a browser; there are none on this platform.",
    record({"created_at": TIME, "description": TEXT, "expires_in": WHOLE, "id": UUID, "updated_at": TIME}),
    (
        Link("GET /oauth/sessions", "List", "No sessions.", many(ref("oauth-session"))),
        Link("DELETE /oauth/sessions/{oauth_session}", "Delete", "There is none.", ref("oauth-session")),
    ),
)

TOKEN = Resource(
    "oauth-token",
    "A token by itself. There are no clients on this platform, whose grants could be exchanged for one.",
    record(
        {
            "access_token": record({"expires_in": MAYBE_WHOLE, "id": UUID, "token": TEXT}),
            "authorization": record({"id": UUID}),
            "client": NOTHING,
            "created_at": TIME,
            "grant": NOTHING,
            "id": UUID,
            "refresh_token": NOTHING,
            "session": NOTHING,
            "updated_at": TIME,
            "user": record({"id": UUID}),
        }
    ),
    (
        Link("DELETE /oauth/tokens/{oauth_token}", "Delete", "Revoke a token, by its id, with its authorization.",
             ref("oauth-token")),
        Link(
            "POST /oauth/tokens",
            "Create",
            "Refused: there is nothing that could be exchanged.",
            ref("oauth-token"),
            body(
                {
                    "client": maybe({"type": "object"}),
                    "grant": maybe({"type": "object"}),
                    "refresh_token": maybe({"type": "object"}),
                }
            ),
            201,
        ),
    ),
)

RATE_LIMIT = Resource(
    "rate-limit",
    "How many calls an account may make.",
    record({"remaining": WHOLE}),
    (
        Link(
            "GET /account/rate-limits",
            "Info",
            "How many calls the caller has left, with tokens, now. Asking takes none.",
            ref("rate-limit"),
        ),
    ),
)

RESOURCES = (AUTHORIZATION, CLIENT, SESSION, TOKEN, RATE_LIMIT)
