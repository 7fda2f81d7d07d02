"""All resources of the API, and which link belongs to a route."""

from __future__ import annotations

import functools
from collections.abc import Iterator

from hostd.api.schema import (
    account,
    addons,
    app_setups,
    apps,
    builds,
    dynos,
    logs,
    network,
    oauth,
    people,
    pipelines,
    platform,
    public,
    webhooks,
)
from hostd.api.schema.model import Link, Resource
from hostd.api.schema.words import MAYBE_TEXT, TEXT, Schema, record

RESOURCES: tuple[Resource, ...] = tuple(
    resource
    for module in (
        account, addons, app_setups, apps, builds, dynos, logs, network, oauth, people, pipelines, platform, public,
        webhooks,
    )
    for resource in module.RESOURCES
)  # fmt: skip

ERROR: Schema = record(
    {"id": TEXT, "message": TEXT},
    {"app": record({"name": TEXT}), "resource": TEXT, "url": MAYBE_TEXT, "params": {"type": "object"}},
)
"""What every refusal answers with."""


def links() -> Iterator[Link]:
    """Every link of every resource."""
    for resource in RESOURCES:
        yield from resource.links


def link_of(method: str, path: str) -> Link | None:
    """The link of a route, given as the router has it: GET and `/apps/{app}`."""
    return _by_call().get(f"{method} {path}")


@functools.cache
def definitions() -> dict[str, Schema]:
    """Every definition by its name."""
    return {resource.name: resource.definition for resource in RESOURCES}


@functools.cache
def _by_call() -> dict[str, Link]:
    return {link.call: link for link in links()}
