"""What webhooks belong to: an app, of which they hear, or a pipeline, and they hear of the apps that are in it."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum


class Kind(Enum):
    """What a webhook may belong to."""

    APP = "app"
    PIPELINE = "pipeline"


@dataclass(frozen=True, slots=True)
class Subject:
    """An app or a pipeline, to which webhooks and what they were told belong."""

    kind: Kind
    id: str

    @classmethod
    def app(cls, id: str) -> Subject:
        """The app of that id."""
        return cls(Kind.APP, id)

    @classmethod
    def pipeline(cls, id: str) -> Subject:
        """The pipeline of that id."""
        return cls(Kind.PIPELINE, id)

    @property
    def column(self) -> str:
        """The column that has its id, in the ledger's tables."""
        return f"{self.kind.value}_id"

    @property
    def flag(self) -> str:
        """What a command of hostctl that a message names needs, so that it is about this kind."""
        return " -p PIPELINE" if self.kind is Kind.PIPELINE else ""
