"""Certifying: what is asked of a certificate authority, and what it wants to see. `authority` does it by ACME."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol

from hostd.acme.planner import Method


@dataclass(frozen=True, slots=True)
class Proof:
    """What is to be shown so that the authority believes that a name is ours.

    Over HTTP that is the text `authorization`, in the DNS a `record` of type TXT at `place`. `task` and `challenge` are
    the authority's own.
    """

    name: str
    authorization: str
    record: str
    place: str
    task: Any = None
    challenge: Any = None


class Certifying(Protocol):
    """An authority, for one order. Every method but `proofs` and `close` waits for the network; all raise Failure."""

    def register(self, contact: str) -> str:
        """Make an account, whose terms were accepted; what the authority calls it. The same key has one account."""

    def order(self, request: str) -> None:
        """Order a certificate for the names of a request (PKCS #10, PEM)."""

    def proofs(self, method: Method) -> list[Proof]:
        """What has to be proven for the order; nothing if the authority remembers that it was."""

    def look(self, proof: Proof) -> None:
        """Tell the authority that a proof can be seen."""

    def believes(self, proof: Proof) -> float:
        """0 when the authority has seen a proof, else in how many seconds to ask again."""

    def finish(self) -> str:
        """The certificate with its chain, PEM, now that everything is proven."""

    def close(self) -> None:
        """Let go of the connection."""


class Connect(Protocol):
    """Makes one."""

    def __call__(self, directory: str, key: str, account: str | None) -> Certifying:
        """The authority at this address, for the account with this key (PEM) that it calls so."""


def by_acme(directory: str, key: str, account: str | None) -> Certifying:
    """The authority, by ACME."""
    from hostd.acme.authority import Authority  # libraries that a server without automatic certificates does without

    return Authority(directory, key, account)
