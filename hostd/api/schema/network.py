"""What leads to an app: domains, certificates, https, the gate, routing, idling."""

from hostd.api.schema.model import Link, Resource
from hostd.api.schema.words import (
    FILLED,
    FLAG,
    MAYBE_FLAG,
    MAYBE_TEXT,
    MAYBE_TIME,
    MAYBE_WHOLE,
    NAMED,
    TEXT,
    TIME,
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
)

DOMAIN = Resource(
    "domain",
    "A name under which an app answers.",
    record(
        {
            "acm_status": MAYBE_TEXT,
            "acm_status_reason": MAYBE_TEXT,
            "app": NAMED,
            "cname": MAYBE_TEXT,
            "created_at": TIME,
            "extended": record(
                {
                    "dns": maybe(
                        record(
                            {
                                "addresses": many(TEXT),
                                "aliases": many(TEXT),
                                "checked_at": TIME,
                                "leads": TEXT,
                                "message": TEXT,
                                "records": many(record({"name": TEXT, "type": TEXT, "value": TEXT})),
                            }
                        )
                    ),
                    "unicode": TEXT,
                }
            ),
            "hostname": TEXT,
            "id": UUID,
            "kind": choice("heroku", "custom"),
            "sni_endpoint": maybe(NAMED),
            "status": TEXT,
            "updated_at": TIME,
        }
    ),
    (
        Link(
            "GET /apps/{app}/domains",
            "List",
            "All names, the built-in one first.",
            many(ref("domain")),
            query={"check": choice("0", "1")},
        ),
        # The official CLI always sends sni_endpoint, mostly null.
        Link(
            "POST /apps/{app}/domains",
            "Create",
            "Give the app a name.",
            ref("domain"),
            body(
                {"hostname": like(FILLED, "www.example.com"), "sni_endpoint": like(MAYBE_TEXT, None)},
                needs=("hostname",),
            ),
            201,
        ),
        Link("GET /apps/{app}/domains/{domain}", "Info", "One name, and where it leads now.", ref("domain")),
        Link(
            "PATCH /apps/{app}/domains/{domain}",
            "Update",
            "Choose the certificate of a name.",
            ref("domain"),
            body({"sni_endpoint": FILLED}, needs=("sni_endpoint",)),
        ),
        Link("DELETE /apps/{app}/domains/{domain}", "Delete", "Take a name away.", ref("domain")),
        Link(
            "DELETE /apps/{app}/domains", "Delete All", "Take all names away but the built-in one.", many(ref("domain"))
        ),
    ),
)

SNI_ENDPOINT = Resource(
    "sni-endpoint",
    "A certificate of an app. Private keys are never shown.",
    record(
        {
            "app": NAMED,
            "certificate_chain": TEXT,
            "cname": MAYBE_TEXT,
            "created_at": TIME,
            "display_name": MAYBE_TEXT,
            "domains": many(UUID),
            "extended": record({"chain_length": WHOLE, "fingerprint": TEXT, "key": TEXT, "serves": many(TEXT)}),
            "id": UUID,
            "name": TEXT,
            "ssl_cert": record(
                {
                    "acm": FLAG,
                    "ca_signed?": FLAG,
                    "cert_domains": many(TEXT),
                    "expires_at": TIME,
                    "id": TEXT,
                    "issuer": TEXT,
                    "self_signed?": FLAG,
                    "starts_at": TIME,
                    "subject": TEXT,
                }
            ),
            "updated_at": TIME,
        }
    ),
    (
        Link("GET /apps/{app}/sni-endpoints", "List", "The app's certificates.", many(ref("sni-endpoint"))),
        Link(
            "POST /apps/{app}/sni-endpoints",
            "Create",
            "Add a certificate with its key.",
            ref("sni-endpoint"),
            body({"certificate_chain": MAYBE_TEXT, "private_key": MAYBE_TEXT, "display_name": MAYBE_TEXT}),
            201,
        ),
        Link("GET /apps/{app}/sni-endpoints/{certificate}", "Info", "One certificate.", ref("sni-endpoint")),
        Link(
            "PATCH /apps/{app}/sni-endpoints/{certificate}",
            "Update",
            "Put another certificate in its place, or call it something else.",
            ref("sni-endpoint"),
            body({"certificate_chain": MAYBE_TEXT, "private_key": MAYBE_TEXT, "display_name": MAYBE_TEXT}),
        ),
        Link("DELETE /apps/{app}/sni-endpoints/{certificate}", "Delete", "Remove a certificate.", ref("sni-endpoint")),
    ),
)

_HSTS = {"include_subdomains": FLAG, "max_age": WHOLE, "preload": FLAG}

HTTPS = Resource(
    "https",
    "Whether an app's requests are sent to https, and whether browsers are to insist on it.",
    record({"hsts": maybe(record(_HSTS)), "redirect": FLAG}),
    (
        Link("GET /hostd/apps/{app}/https", "Info", "Whether http is sent to https.", ref("https")),
        Link(
            "PATCH /hostd/apps/{app}/https",
            "Update",
            "Change redirect or hsts.",
            ref("https"),
            {
                **body(
                    {
                        "hsts": maybe(
                            body(
                                {"include_subdomains": MAYBE_FLAG, "max_age": WHOLE, "preload": MAYBE_FLAG},
                                needs=("max_age",),
                                closed=True,
                            )
                        ),
                        "redirect": MAYBE_FLAG,
                    },
                    closed=True,
                ),
                "minProperties": 1,
            },
        ),
    ),
)

GATE = Resource(
    "gate",
    "The access gate: who may come to an app.",
    record(
        {
            "closed": FLAG,
            "networks": many(TEXT),
            "users": many(record({"created_at": TIME, "name": TEXT})),
        }
    ),
    (
        Link("GET /hostd/apps/{app}/gate", "Info", "Who may come.", ref("gate")),
        Link(
            "POST /hostd/apps/{app}/gate",
            "Create",
            "Let a user and networks in.",
            ref("gate"),
            body(
                {
                    "user": maybe(
                        body(
                            {"name": like(FILLED, "kate"), "password": like(FILLED, "correct horse")},
                            needs=("name", "password"),
                        )
                    ),
                    "networks": like(maybe(many(TEXT)), ["192.0.2.0/24"]),
                }
            ),
        ),
        Link(
            "DELETE /hostd/apps/{app}/gate",
            "Delete",
            "Let them in no more; without either field, everybody in.",
            ref("gate"),
            body({"users": maybe(many(TEXT)), "networks": like(maybe(many(TEXT)), ["192.0.2.0/24"])}),
        ),
    ),
)

ROUTING = Resource(
    "routing",
    "What an app wants of the router: names that stay out of the log, a pause.",
    record({"masked": many(TEXT), "paused_until": MAYBE_TIME}),
    (
        Link("GET /hostd/apps/{app}/routing", "Info", "What is masked, and until when requests wait.", ref("routing")),
        Link(
            "PATCH /hostd/apps/{app}/routing",
            "Update",
            "Change what is masked, or let requests wait.",
            ref("routing"),
            {
                **body(
                    {
                        "masked": many(TEXT),
                        "pause": said(maybe(between(1, 3600)), "a number of seconds from 1 to 3600, or null"),
                    },
                    closed=True,
                ),
                "minProperties": 1,
            },
        ),
    ),
)

IDLE = Resource(
    "idle",
    "After how many seconds without a request an app sleeps, and since when it does.",
    record({"after": MAYBE_WHOLE, "asleep_since": MAYBE_TIME}),
    (
        Link("GET /hostd/apps/{app}/idle", "Info", "When the app sleeps.", ref("idle")),
        Link(
            "PATCH /hostd/apps/{app}/idle",
            "Update",
            "Let the app sleep, or with null never.",
            ref("idle"),
            body(
                {"after": said(maybe(between(1, 86400)), "a number of seconds from 1 to 86400, or null")},
                needs=("after",),
            ),
        ),
    ),
)

RESOURCES = (DOMAIN, SNI_ENDPOINT, HTTPS, GATE, ROUTING, IDLE)
