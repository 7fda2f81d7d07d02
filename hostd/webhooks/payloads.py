"""What happened, as the payload of an event: Heroku's `action`, `actor`, `data`, `previous_data`, `resource`, ..."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from hostd.api.shapes import (
    app_json,
    app_ref,
    build_json,
    collaborator_json,
    dyno_json,
    formation_json,
    moment,
    release_json,
    user_ref,
)
from hostd.errors import NotFound
from hostd.ledger import Ledger
from hostd.ledger.access import rights_named
from hostd.ledger.apps import App
from hostd.ledger.database import from_text
from hostd.ledger.formation import Process
from hostd.ledger.happenings import Happening
from hostd.manager.dyno import Dyno
from hostd.settings import Settings

VERSION = "application/vnd.heroku+json; version=3"


class Payloads:
    """Makes payloads of what happened; `dynos` are those of an app (by its id) that there are now."""

    def __init__(self, ledger: Ledger, settings: Settings, dynos: Callable[[str], list[Dyno]]) -> None:
        self._ledger = ledger
        self._settings = settings
        self._dynos = dynos

    def make(self, happening: Happening) -> dict[str, Any] | None:
        """The payload; None if there is nothing left that could be told."""
        app = self._ledger.apps.once(happening.app_id)
        made = {
            "app": self._app,
            "build": self._build,
            "collaborator": self._collaborator,
            "domain": self._domain,
            "dyno": self._dyno,
            "formation": self._formation,
            "release": self._release,
            "sni-endpoint": self._certificate,
        }[happening.resource](app, happening)
        if made is None:
            return None
        data, previous = made
        at = moment(happening.at)
        return {
            "action": happening.action,
            "actor": self._actor(happening.user_id),
            "created_at": at,
            "data": data,
            "previous_data": previous,
            "published_at": at,
            "resource": happening.resource,
            "sequence": None,
            "updated_at": at,
            "version": VERSION,
        }

    def _actor(self, user_id: str) -> dict[str, str]:
        if user_id:
            try:
                return user_ref(self._ledger.users.once(user_id))
            except NotFound:
                # Root, on a machine that has no users yet.
                pass
        domain = self._settings.domain
        return {"email": f"hostd@{domain}", "id": str(uuid.uuid5(uuid.NAMESPACE_DNS, f"platform.{domain}"))}

    def _app(self, app: App, happening: Happening) -> _Told:
        ledger, before = self._ledger, happening.before
        release = ledger.releases.current(app.id)
        slug = ledger.slugs.get(release.slug_id) if release.slug_id else None
        owner = ledger.users.once(app.owner_id)
        acm = ledger.acm.enabled(app.id)
        data = app_json(self._settings, app, owner, slug=slug, runs_on=release.stack, acm=acm)
        previous: dict[str, Any] = {}
        if "name" in before and before["name"] != app.name:
            old = app_json(self._settings, replace(app, name=before["name"]), owner)
            previous |= {name: old[name] for name in ("name", "git_url", "web_url")}
        if "maintenance" in before and bool(before["maintenance"]) != app.maintenance:
            previous["maintenance"] = bool(before["maintenance"])
        if "owner_id" in before and before["owner_id"] != app.owner_id:
            previous["owner"] = user_ref(ledger.users.once(before["owner_id"]))
        if "stack" in before and before["stack"] != app.stack:
            old = app_json(self._settings, replace(app, stack=before["stack"]), owner)
            previous["build_stack"] = old["build_stack"]
        return data, previous

    def _release(self, app: App, happening: Happening) -> _Told:
        release = self._ledger.releases.find(app.id, happening.key)
        kept = {release.slug_id} if release.slug_id else set()
        current = self._ledger.releases.current(app.id).version
        return release_json(app, release, current=current, kept_slugs=kept), {}

    def _build(self, app: App, happening: Happening) -> _Told:
        build, before = self._ledger.builds.get(happening.key), happening.before
        release = self._ledger.releases.get(app.id, build.release_version) if build.release_version else None
        output = f"{self._settings.web_url('api')}apps/{app.id}/builds/{build.id}/output"
        data = build_json(app, build, self._ledger.users.once(build.user_id), release, output)
        return data | {"status": before["now"]}, {"status": before["status"]} if "status" in before else {}

    def _formation(self, app: App, happening: Happening) -> _Told:
        release, before = self._ledger.releases.current(app.id), happening.before
        types = self._ledger.slugs.commands(release.slug_id)
        command = types.get(happening.key, "")
        data = formation_json(app, Process(happening.key, **before["now"]), command)
        if "quantity" not in before:
            return data, {}
        old = formation_json(app, Process(happening.key, before["quantity"], before["size"]), command)
        return data, {name: old[name] for name in ("dyno_size", "quantity", "size") if old[name] != data[name]}

    def _collaborator(self, app: App, happening: Happening) -> _Told:
        before = happening.before
        user, created = self._ledger.users.once(happening.key), from_text(before["created_at"])

        def shaped(rights: str) -> dict[str, Any]:
            return collaborator_json(app, user, rights_named(rights.split(",")), created, happening.at)

        previous = {"permissions": shaped(before["rights"])["permissions"]} if "rights" in before else {}
        return shaped(before["now"]), previous

    def _domain(self, app: App, happening: Happening) -> _Told:
        created = moment(from_text(happening.before["created_at"]))
        data = {
            "acm_status": None,
            "acm_status_reason": None,
            "app": app_ref(app),
            "cname": self._settings.built_in_host(app.name),
            "created_at": created,
            "hostname": happening.before["hostname"],
            "id": happening.key,
            "kind": "custom",
            "sni_endpoint": None,
            "status": "pending",
            "updated_at": created,
        }
        return data, {}

    def _certificate(self, app: App, happening: Happening) -> _Told:
        before = happening.before
        data = {
            "app": app_ref(app),
            "created_at": moment(from_text(before["created_at"])),
            "display_name": before["display_name"],
            "id": happening.key,
            "name": before["name"],
            "ssl_cert": {
                "cert_domains": before["names"],
                "expires_at": moment(from_text(before["expires_at"])),
                "starts_at": moment(from_text(before["starts_at"])),
            },
            "updated_at": moment(happening.at),
        }
        return data, {}

    def _dyno(self, app: App, happening: Happening) -> _Told | None:
        before = happening.before
        now = {"state": before["now"], "updated_at": moment(happening.at)}
        for dyno in self._dynos(app.id):
            if dyno.name == happening.key:
                version = self._ledger.releases.get(app.id, dyno.version)
                return dyno_json(app, dyno, {dyno.version: version.id}) | now, {"state": before["state"]}
        data = {"app": app_ref(app), "name": happening.key, "type": happening.key.partition(".")[0]}
        return data | now, {"state": before["state"]}


_Told = tuple[dict[str, Any], Mapping[str, Any]]
"""What is there now, and what was there before of that which has changed."""
