"""The JSON of each resource, as Heroku's Platform API v3 has it. Pure: rows in, dictionaries out."""

from __future__ import annotations

import functools
import platform
import uuid
from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from hostd import sizes
from hostd.ledger.access import Right
from hostd.ledger.apps import HOST_STACK, App
from hostd.ledger.builds import Build
from hostd.ledger.formation import Process
from hostd.ledger.job_runs import JobRun
from hostd.ledger.jobs import Job
from hostd.ledger.keys import Key
from hostd.ledger.releases import Release, Running
from hostd.ledger.slugs import Slug
from hostd.ledger.stacks import StackVersion
from hostd.ledger.users import User
from hostd.manager.dyno import Dyno
from hostd.settings import Settings
from hostd.sizes import Size
from slugs.stacks import name_of

REGION = {"id": str(uuid.uuid5(uuid.NAMESPACE_DNS, "region.hostd")), "name": "local"}
GENERATION = {"id": str(uuid.uuid5(uuid.NAMESPACE_DNS, "generation.hostd")), "name": "cedar"}


def moment(when: datetime | float | None) -> str | None:
    """A moment, or seconds since the epoch, as `2026-01-27T10:48:08Z`."""
    if when is None:
        return None
    known = when if isinstance(when, datetime) else datetime.fromtimestamp(when, UTC)
    return known.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def app_json(
    settings: Settings,
    app: App,
    owner: User,
    *,
    slug: Slug | Running | None = None,
    repo_size: int | None = None,
    runs_on: str | None = None,
    acm: bool = False,
) -> dict[str, Any]:
    """An app; `repo_size` in bytes, null where it was not measured; `runs_on` is the stack of its current release;
    `acm` whether it gets certificates by itself."""
    return {
        "acm": acm,
        "archived_at": None,
        "build_stack": _named(app.stack),
        "buildpack_provided_description": slug.buildpack if slug else None,
        "create_status": "complete",
        "created_at": moment(app.created_at),
        "generation": GENERATION,
        "git_url": settings.git_url(app.name),
        "id": app.id,
        "internal_routing": None,
        "maintenance": app.maintenance,
        "name": app.name,
        "organization": None,
        "owner": user_ref(owner),
        "process_tier": "production",
        "region": REGION,
        "released_at": moment(app.released_at),
        "repo_size": repo_size,
        "slug_size": slug.size_bytes if slug else None,
        "space": None,
        "ssh_url": settings.ssh_url(app.name),
        "stack": _named(name_of(runs_on or app.stack)),
        "team": None,
        "updated_at": moment(app.updated_at),
        "web_url": settings.web_url(app.name),
    }


def account_json(user: User) -> dict[str, Any]:
    """A user, as an account of their own."""
    created = moment(user.created_at)
    return {
        "admin": user.admin,
        "allow_tracking": False,
        "beta": False,
        "country_of_residence": None,
        "created_at": created,
        "default_organization": None,
        "default_team": None,
        "delinquent_at": None,
        "email": user.email,
        "federated": False,
        "id": user.id,
        "identity_provider": None,
        "last_login": None,
        "name": user.name,
        "sms_number": None,
        "suspended_at": None,
        "two_factor_authentication": False,
        "updated_at": created,
        "verified": True,
    }


def account_ref(user: User) -> dict[str, Any]:
    """What others than admins may know of a user: that the address is one's."""
    private = {"admin", "name", "created_at", "updated_at"}
    return {name: value for name, value in account_json(user).items() if name not in private}


def key_json(key: Key, user: User) -> dict[str, Any]:
    """An ssh key."""
    created = moment(key.created_at)
    return {
        "comment": key.comment,
        "created_at": created,
        "email": user.email,
        "fingerprint": key.fingerprint,
        "id": key.id,
        # With its comment, as Heroku shows it: its CLI has no other place to read that from.
        "public_key": f"{key.public_key} {key.comment}".rstrip(),
        "updated_at": created,
    }


def collaborator_json(
    app: App, user: User, rights: Collection[Right], created: datetime, updated: datetime
) -> dict[str, Any]:
    """Somebody with a right to the app: its owner or a collaborator."""
    return {
        "app": app_ref(app),
        "created_at": moment(created),
        "id": stable_id(app.id, "collaborator", user.id),
        "permissions": permissions_json(rights),
        "role": "owner" if user.id == app.owner_id else "collaborator",
        "updated_at": moment(updated),
        "user": {**user_ref(user), "federated": False},
    }


def permissions_json(rights: Collection[Right]) -> list[dict[str, str]]:
    """Rights, by their names."""
    found = sorted(rights, key=lambda right: right.value)
    return [{"description": right.description, "name": right.value} for right in found]


def formation_json(app: App, process: Process, command: str) -> dict[str, Any]:
    """A process type with its quantity and size."""
    size = sizes.title(process.size)
    return {
        "app": app_ref(app),
        "command": command,
        "created_at": moment(app.created_at),
        "dyno_size": _named(size),
        "id": stable_id(app.id, "formation", process.type),
        "quantity": process.quantity,
        "size": size,
        "type": process.type,
        "updated_at": moment(app.updated_at),
    }


def dyno_size_json(size: Size) -> dict[str, Any]:
    """A dyno size; `memory` in GB, `compute` is its share of the processor against the others'."""
    return {
        "architecture": platform.machine(),
        "compute": size.cpu_weight,
        "cost": None,
        "dedicated": False,
        "extended": {"cores": size.cpu, "memory_bytes": size.memory, "tasks": size.tasks},
        "generation": GENERATION,
        **_named(sizes.title(size.name)),
        "memory": size.memory / sizes.GIB,
        "precise_dyno_units": 0,
        "private_space_only": False,
    }


def dyno_json(app: App, dyno: Dyno, releases: Mapping[int, str], attach_url: str | None = None) -> dict[str, Any]:
    """A dyno; `releases` maps versions to ids. What Heroku has no field for is under `extended`."""
    since = moment(dyno.since)
    return {
        "app": app_ref(app),
        "attach_url": attach_url,
        "command": dyno.command,
        "created_at": since,
        "extended": {
            "address": dyno.address,
            "exit_status": dyno.exit_status,
            "port": dyno.port,
            "reason": dyno.reason,
            "retry_at": moment(dyno.retry_at),
            "serving": dyno.serving,
            "stopping": dyno.stopping,
        },
        "id": dyno_id(dyno),
        "name": dyno.name,
        "release": {"id": releases.get(dyno.version), "version": dyno.version},
        "size": sizes.title(dyno.size),
        "state": dyno.state.value,
        "type": dyno.type,
        "updated_at": since,
    }


def dyno_id(dyno: Dyno) -> str:
    """The id of a dyno for clients, a UUID: the manager's own is made of words."""
    return stable_id(dyno.app_id, "dyno", dyno.id)


def job_json(app: App, job: Job, *, runs: Sequence[JobRun], next_runs: Iterable[datetime]) -> dict[str, Any]:
    """A scheduled job; `runs` newest first, `next_runs` when it is due."""
    return {
        "app": app_ref(app),
        "catch_up": job.catch_up,
        "command": job.command,
        "created_at": moment(job.created_at),
        "every": job.every,
        "id": job.id,
        "next_runs": [moment(due) for due in next_runs],
        "number": job.number,
        "paused": job.paused_at is not None,
        "runs": [run_json(run) for run in runs],
        "size": sizes.title(job.size),
        "timezone": job.timezone,
    }


def run_json(run: JobRun) -> dict[str, Any]:
    """A run of a job; `due_at` is null for one by hand, `exit_status` while it runs and if nobody knows it."""
    ended = "succeeded" if run.exit_status == 0 else "failed"
    return {
        "due_at": moment(run.due_at),
        "dyno": run.dyno,
        "ended_at": moment(run.ended_at),
        "exit_status": run.exit_status,
        "reason": run.reason,
        "started_at": moment(run.begun_at),
        "status": ended if run.ended_at else "running",
    }


def release_json(
    app: App, release: Release, *, current: int, kept_slugs: Iterable[str], output: str | None = None
) -> dict[str, Any]:
    """A release; `current` is the app's newest version, `kept_slugs` the ids of slugs that can still run, `output` the
    address of what its release phase printed, if it had one."""
    created = moment(release.created_at)
    return {
        "addon_plan_names": [],
        "app": app_ref(app),
        "artifacts": [],
        "created_at": created,
        "current": release.version == current,
        "description": release.description,
        "eligible_for_rollback": release.slug_id is not None and release.slug_id in kept_slugs,
        "id": release.id,
        "output_stream_url": output,
        "slug": {"id": release.slug_id} if release.slug_id else None,
        "stack": release.stack,
        "status": "succeeded",
        "updated_at": created,
        "user": {"email": release.user_email, "id": release.user_id},
        "version": release.version,
    }


def build_json(app: App, build: Build, user: User, release: Release | None, output: str) -> dict[str, Any]:
    """A build; `release` is the one it made, `output` the address of what it prints.

    What Heroku has no field for is under `extended`.
    """
    return {
        "app": app_ref(app),
        "buildpacks": [{"name": pack["name"], "url": pack["name"]} for pack in build.buildpacks],
        "created_at": moment(build.created_at),
        "extended": {
            "buildpacks": build.buildpacks,
            "cancelled": build.cancelled,
            "ended_at": moment(build.ended_at),
            "reason": build.reason,
            "release_version": build.release_version,
            "report": build.report,
            "source": build.source,
        },
        "generation": GENERATION["name"],
        "id": build.id,
        "output_stream_url": output,
        "release": {"id": release.id} if release else None,
        "slug": {"id": build.slug_id} if build.slug_id else None,
        "source_blob": {
            "checksum": None,
            "url": _address_in(build.source),
            "version": build.commit or None,
            "version_description": None,
        },
        "stack": build.stack,
        "status": build.status,
        "updated_at": moment(build.ended_at or build.created_at),
        "user": user_ref(user),
    }


def _address_in(source: str) -> str | None:
    """The address from which a build took its source, as the ledger has it, masked; None for a push or an upload."""
    words = source.split(" ")
    return words[1] if len(words) > 1 and "://" in words[1] else None


def buildpack_json(ordinal: int, url: str) -> dict[str, Any]:
    """One buildpack of an app, counted from 0."""
    return {"buildpack": {"name": url, "url": url}, "ordinal": ordinal}


def stack_json(
    name: str,
    *,
    version: str | None = None,
    system: str | None = None,
    versions: Sequence[StackVersion] = (),
    apps: Mapping[str, Sequence[App]] = {},
    seen: Collection[str] = (),
) -> dict[str, Any]:
    """A stack. `versions` are those that were made, newest first; `apps` run on the version by which they are listed,
    and those that are `seen` (ids) are named."""
    made = {known.version: known for known in versions}
    # The host's own system has no versions, and Heroku's clients want a time.
    moments = [moment(known.created_at) for known in versions] or [moment(0.0)]
    return {
        **_named(name),
        "created_at": moments[-1],
        "default": name == HOST_STACK,
        "state": "public",
        "system": system,
        "updated_at": moments[0],
        "version": version,
        "versions": [
            {
                "app_count": len(apps.get(known, ())),
                "apps": sorted(app.name for app in apps.get(known, ()) if app.id in seen),
                "created_at": moment(made[known].created_at) if known in made else None,
                "current": known == version,
                "version": known,
            }
            for known in (made or [version, *(other for other in apps if other and other != version)])
            if known
        ],
    }


def app_ref(app: App) -> dict[str, str]:
    """How other resources name an app."""
    return {"id": app.id, "name": app.name}


def user_ref(user: User) -> dict[str, str]:
    """How other resources name a user."""
    return {"email": user.email, "id": user.id}


def stack_ref(stack: str) -> dict[str, str]:
    """How other resources name a stack."""
    return _named(stack)


def stable_id(app_id: str, kind: str, name: str) -> str:
    """An id for a thing that has no row of its own: always the same for the same thing."""
    return str(uuid.uuid5(uuid.UUID(app_id), f"{kind}/{name}"))


def _named(name: str) -> dict[str, str]:
    return {"id": _id_of_name(name), "name": name}


@functools.lru_cache(maxsize=256)
def _id_of_name(name: str) -> str:
    return str(uuid.uuid5(uuid.NAMESPACE_DNS, f"{name.lower()}.hostd"))
