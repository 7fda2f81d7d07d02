"""A certificate authority that speaks to nobody: it issues at once, or fails as it is told."""

from __future__ import annotations

import threading
from datetime import datetime, timedelta

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding

from hostd.acme.certifying import Proof
from hostd.acme.failure import Failure
from hostd.acme.keeper import AutomaticCertificates
from hostd.acme.terms import Terms
from hostd.ledger.database import utc_now
from hostd.manager.desired import hosts_of
from tests.unit.tls_kit import named

DIRECTORY = "https://acme.example/directory"
THUMBPRINT = "t" * 43


class FakeAuthority:
    """All that orders of a test have in common; call it to get one that makes an order."""

    def __init__(self, clock) -> None:
        self.clock = clock
        self.life = timedelta(days=90)
        self.orders: list[str] = []
        self.accounts: list[tuple[str, str]] = []
        """Keys and mail addresses."""
        self.failures: dict[str, list[Failure]] = {}
        """What goes wrong for a name, in turn; "" for the making of accounts."""
        self.seen = threading.Event()
        """Until this is set, no proof is believed."""
        self.seen.set()
        self.closed = 0

    def __call__(self, directory: str, key: str, account: str | None) -> FakeOrder:
        assert directory == DIRECTORY
        return FakeOrder(self, key, account)

    def fail(self, name: str) -> None:
        if self.failures.get(name):
            raise self.failures[name].pop(0)


class FakeOrder:
    def __init__(self, authority: FakeAuthority, key: str, account: str | None) -> None:
        self.authority, self.key, self.account = authority, key, account
        self.name, self.request, self.believed = "", None, False

    def register(self, contact: str) -> str:
        self.authority.fail("")
        self.authority.accounts.append((self.key, contact))
        return f"{DIRECTORY}/account/{len(self.authority.accounts)}"

    def order(self, request: str) -> None:
        assert self.account
        self.request = x509.load_pem_x509_csr(request.encode())
        names = self.request.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        (self.name,) = names.get_values_for_type(x509.DNSName)
        self.authority.orders.append(self.name)

    def proofs(self, method) -> list[Proof]:
        name = self.name.removeprefix("*.")
        return [Proof(name, f"{'k' * 30}.{THUMBPRINT}", "digest", f"_acme-challenge.{name}")]

    def look(self, proof: Proof) -> None:
        self.authority.fail(self.name)

    def believes(self, proof: Proof) -> float:
        return 0.0 if self.authority.seen.is_set() else 0.005

    def finish(self) -> str:
        key, now = ec.generate_private_key(ec.SECP256R1()), self.authority.clock()
        builder = x509.CertificateBuilder().subject_name(named(self.name)).issuer_name(named("Fake authority"))
        builder = builder.public_key(self.request.public_key()).serial_number(x509.random_serial_number())
        builder = builder.not_valid_before(now).not_valid_after(now + self.authority.life)
        builder = builder.add_extension(x509.SubjectAlternativeName([x509.DNSName(self.name)]), critical=False)
        return builder.sign(key, hashes.SHA256()).public_bytes(Encoding.PEM).decode()

    def close(self) -> None:
        self.authority.closed += 1


def automatic_certificates(ledger, events, certificates, checks, settings, route, accepted) -> AutomaticCertificates:
    """The real keeper, as `hostd.assembly` makes it but for the authority."""
    return AutomaticCertificates(
        ledger=ledger,
        events=events,
        certificates=certificates,
        checks=checks,
        terms=Terms(DIRECTORY, accepted=accepted),
        hosts=lambda app: hosts_of(ledger, settings, app)[1:],
        target=lambda app: settings.built_in_host(app.name),
        route=route,
        connect=FakeAuthority(utc_now),
    )


class FakeClock:
    """Stands still until it is set."""

    def __init__(self, at: datetime) -> None:
        self.at = at

    def __call__(self) -> datetime:
        return self.at
