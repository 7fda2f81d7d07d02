"""What a resource declares: its definition, and the links that lead to it."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from hostd.api.schema.words import NOTHING, Schema, ref

JSON = "application/json"
_PARAMETER = re.compile(r"\{([a-z_]+)\}")


@dataclass(frozen=True, slots=True)
class Link:
    """One thing that can be asked: a method at a path, what goes in and what comes out.

    `call` is `GET /apps/{app}`. `body` is the schema of the request's JSON object, None where none is read; `answer`
    that of the JSON that comes back with `status`, None where what comes is no JSON but `media`. `query` are the
    parameters that are understood. `takes` is the media type of a request that is no JSON. A link that is not
    `public` is for hostd's own programs.
    """

    call: str
    title: str
    description: str
    answer: Schema | None = None
    body: Schema | None = None
    status: int = 200
    media: str = JSON
    takes: str | None = None
    query: dict[str, Schema] = field(default_factory=dict)
    others: tuple[int, ...] = ()
    """Statuses with which the same may come."""
    public: bool = True
    open: bool = False
    """Whether it may be asked without saying who asks: what is there is signed, or for everybody to see."""

    @property
    def method(self) -> str:
        """The verb."""
        return self.call.partition(" ")[0]

    @property
    def path(self) -> str:
        """The path, with parameters in braces."""
        return self.call.partition(" ")[2]

    @property
    def parameters(self) -> list[str]:
        """The names of the parameters in the path."""
        return _PARAMETER.findall(self.path)


@dataclass(frozen=True, slots=True)
class Resource:
    """A noun of the API: `name` as in Heroku's schema (`app-feature`), its definition, its links."""

    name: str
    description: str
    definition: Schema
    links: tuple[Link, ...] = ()

    @property
    def title(self) -> str:
        """The name as people write it: `App Feature`."""
        return self.name.replace("-", " ").title()

    @property
    def ref(self) -> Schema:
        """How others name the definition."""
        return ref(self.name)


NO_DEFINITION = NOTHING
"""For a resource that is only links."""
