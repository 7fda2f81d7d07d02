"""Pipelines: apps in a row, each at a stage from development to production."""

from __future__ import annotations

import re
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import Enum

from hostd.errors import Conflict, Invalid, NotFound
from hostd.ledger.apps import Apps
from hostd.ledger.database import Database, Record, moments
from hostd.ledger.users import User, Users

_NAME = re.compile(r"[a-z][a-z0-9-]{1,28}[a-z0-9]")


class Stage(Enum):
    """Where in a pipeline an app is, in Heroku's words and in their order."""

    TEST = "test"
    REVIEW = "review"
    DEVELOPMENT = "development"
    STAGING = "staging"
    PRODUCTION = "production"

    @property
    def next(self) -> Stage | None:
        """Where a promotion leads."""
        order = list(Stage)
        later = order[order.index(self) + 1 :]
        return Stage.STAGING if self is Stage.REVIEW else later[0] if later else None


@dataclass(frozen=True, slots=True)
class Pipeline:
    """A pipeline."""

    id: str
    name: str
    owner_id: str
    created_at: datetime
    updated_at: datetime


@dataclass(frozen=True, slots=True)
class Coupling:
    """That an app is in a pipeline, and at which stage."""

    id: str
    pipeline_id: str
    app_id: str
    stage: Stage
    created_at: datetime
    updated_at: datetime


class Pipelines:
    """The tables of pipelines and of couplings."""

    def __init__(self, database: Database, users: Users, apps: Apps) -> None:
        self._database = database
        self._users = users
        self._apps = apps

    def create(self, name: str, owner_id: str) -> Pipeline:
        """A new pipeline. Raises Invalid for a bad name and for one that a pipeline has."""
        with self._database.transaction():
            owner = self._users.get(owner_id)
            self._refuse(name)
            made, now = str(uuid.uuid4()), self._database.now()
            self._database.insert(
                "pipelines", {"id": made, "name": name, "owner_id": owner.id, "created_at": now, "updated_at": now}
            )
            return self.get(made)

    def get(self, name_or_id: str) -> Pipeline:
        """The pipeline with that name or id. Raises NotFound."""
        for found in self._pipelines("id = ?1 OR name = ?1", name_or_id):
            return found
        raise NotFound(f"There is no pipeline {name_or_id[:60]!r}.", resource="pipeline")

    def list_for(self, user: User) -> Sequence[Pipeline]:
        """The pipelines that a user may know of, by name: their own, those with apps they may see, for an admin all."""
        if user.admin:
            return self._pipelines("TRUE ORDER BY name")
        return self._pipelines(
            "owner_id = ?1 OR id IN (SELECT pipeline_id FROM pipeline_couplings JOIN apps ON apps.id = app_id "
            "WHERE apps.owner_id = ?1 OR app_id IN (SELECT app_id FROM collaborators WHERE user_id = ?1)) "
            "ORDER BY name",
            user.id,
        )

    def rename(self, pipeline: Pipeline, name: str) -> Pipeline:
        """Give a pipeline another name. Raises Invalid, also for one that a pipeline has."""
        with self._database.transaction():
            if name != pipeline.name:
                self._refuse(name)
            return self._update(pipeline, "UPDATE pipelines SET name = ?, updated_at = ? WHERE id = ?", name)

    def transfer(self, pipeline: Pipeline, owner: User) -> Pipeline:
        """Give a pipeline to another user; of its apps this says nothing."""
        return self._update(pipeline, "UPDATE pipelines SET owner_id = ?, updated_at = ? WHERE id = ?", owner.id)

    def destroy(self, pipeline: Pipeline) -> None:
        """Forget a pipeline; its apps stay."""
        self._database.write("DELETE FROM pipelines WHERE id = ?", pipeline.id)

    def couple(self, pipeline: Pipeline, app_id: str, stage: Stage) -> Coupling:
        """Put an app into a pipeline. Raises Conflict if it is in one."""
        with self._database.transaction():
            app = self._apps.get(app_id)
            if self.coupling_of(app.id) is not None:
                raise Conflict(
                    f"{app.name} is in a pipeline already. Take it out first: hostctl pipelines:remove -a {app.name}"
                )
            made, now = str(uuid.uuid4()), self._database.now()
            record = {"id": made, "pipeline_id": pipeline.id, "app_id": app.id, "stage": stage.value}
            self._database.insert("pipeline_couplings", record | {"created_at": now, "updated_at": now})
            return self.coupling(made)

    def coupling(self, id: str) -> Coupling:
        """A coupling by its id. Raises NotFound."""
        for found in self._couplings("id = ?", id):
            return found
        raise NotFound(f"There is no pipeline coupling {id[:60]!r}.", resource="pipeline_coupling")

    def coupling_of(self, app_id: str) -> Coupling | None:
        """In which pipeline an app is, if it is in one."""
        return next(iter(self._couplings("app_id = ?", app_id)), None)

    def couplings(self, pipeline_id: str | None = None) -> Sequence[Coupling]:
        """The couplings of a pipeline, or all, in the order in which they were made."""
        return self._couplings("?1 IS NULL OR pipeline_id = ?1", pipeline_id)

    def move(self, coupling: Coupling, stage: Stage) -> Coupling:
        """Put an app at another stage."""
        with self._database.transaction():
            self._database.write(
                "UPDATE pipeline_couplings SET stage = ?, updated_at = ? WHERE id = ?",
                stage.value,
                self._database.now(),
                coupling.id,
            )
            return self.coupling(coupling.id)

    def uncouple(self, coupling: Coupling) -> None:
        """Take an app out of its pipeline."""
        self._database.write("DELETE FROM pipeline_couplings WHERE id = ?", coupling.id)

    def _update(self, pipeline: Pipeline, sql: str, value: str) -> Pipeline:
        with self._database.transaction():
            self._database.write(
                sql, value, self._database.now(), pipeline.id
            )
            return self.get(pipeline.id)

    def _refuse(self, name: str) -> None:
        if not _NAME.fullmatch(name):
            raise Invalid(
                f"{name[:40]!r} cannot be the name of a pipeline: 3 to 30 of a-z, 0-9 and -, a letter first, no - last."
            )
        if self._pipelines("name = ?", name):
            raise Invalid(f"Name {name} is already taken. Choose another.")

    def _pipelines(self, condition: str, *parameters: object) -> Sequence[Pipeline]:
        records = self._database.select(f"{_PIPELINES} WHERE {condition}", *parameters)
        return [Pipeline(**moments(record)) for record in records]

    def _couplings(self, condition: str, *parameters: object) -> Sequence[Coupling]:
        records = self._database.select(f"{_COUPLINGS} WHERE {condition} ORDER BY sequence", *parameters)
        return [_coupling(record) for record in records]


_PIPELINES = "SELECT id, name, owner_id, created_at, updated_at FROM pipelines"
_COUPLINGS = "SELECT id, pipeline_id, app_id, stage, created_at, updated_at FROM pipeline_couplings"


def _coupling(record: Record) -> Coupling:
    return Coupling(**moments(record) | {"stage": Stage(record["stage"])})
