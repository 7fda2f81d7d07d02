"""Authority: a certificate authority as one order sees it, by ACME (RFC 8555). Every method waits for the network."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from functools import partial
from json import JSONDecodeError
from pathlib import Path
from typing import Any, cast

import josepy.errors
from acme import challenges, errors, messages
from acme.client import ClientNetwork, ClientV2
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from josepy.jwa import ES256
from josepy.jwk import JWK, JWKEC

from hostd.acme.certifying import Proof
from hostd.acme.failure import Failure, moment_of, problem, readable
from hostd.acme.planner import Method
from hostd.certificates.authorities import SYSTEM
from hostd.ledger.database import utc_now

ANSWER_SECONDS = 20
"""What the authority may take for a single answer."""
ISSUE_SECONDS = 90
"""What it may take to issue a certificate when everything is proven."""
LOOK_SECONDS = (1.0, 15.0)
"""How often it is asked whether it has seen a proof, at most and at least."""
_NONCES = 5
"""How often a request is repeated whose nonce was refused (RFC 8555, 6.5)."""


class Authority:
    """The authority at an address (its directory). `key` is our account's, PEM; `account` what the authority calls it.

    Of https servers it believes those that this machine trusts. All methods raise Failure.
    """

    def __init__(
        self, directory: str, key: str, account: str | None, *, trusted: Path = SYSTEM,
        clock: Callable[[], datetime] = utc_now,
    ) -> None:  # fmt: skip
        private = load_pem_private_key(key.encode(), password=None)
        assert isinstance(private, ec.EllipticCurvePrivateKey)
        self._directory = directory
        self._key = JWKEC(key=private)
        self._clock = clock
        self._retry_after: str | None = None
        known = messages.RegistrationResource(uri=account, body=messages.Registration()) if account else None
        self._network = _Network(
            self._key, known, ES256, user_agent="hostd", timeout=ANSWER_SECONDS,
            # The library passes it on as it is, and the one below it takes a list of authorities in its place.
            verify_ssl=cast(bool, str(trusted)),
        )  # fmt: skip
        self._network.session.hooks["response"].append(self._heard)
        self._connected: ClientV2 | None = None
        self._order: messages.OrderResource | None = None
        self._ordered: tuple[str, ...] = ()

    def register(self, contact: str) -> str:
        """Make an account, whose terms were accepted; what the authority calls it. The same key has one account."""
        with self._explained():
            wanted = messages.NewRegistration.from_data(email=contact or None, terms_of_service_agreed=True)
            try:
                return str(self._client().new_account(wanted).uri)
            except errors.ConflictError as known:
                return str(known.location)

    def order(self, request: str) -> None:
        """Order a certificate for the names of a request (PKCS #10, PEM)."""
        wanted = x509.load_pem_x509_csr(request.encode()).extensions
        names = wanted.get_extension_for_class(x509.SubjectAlternativeName).value.get_values_for_type(x509.DNSName)
        self._ordered = tuple(name.removeprefix("*.") for name in names)
        with self._explained():
            self._order = self._client().new_order(request.encode())

    def proofs(self, method: Method) -> list[Proof]:
        """What has to be proven for the order; nothing if the authority remembers that it was."""
        found = []
        for task in self._placed().authorizations:
            if task.body.status == messages.STATUS_VALID:
                continue
            challenge = next((each for each in task.body.challenges if each.chall.typ == method.value), None)
            if challenge is None:
                raise Failure(f"the authority takes no proof by {method.value}", unproven=True)
            if (name := task.body.identifier.value) not in self._ordered:
                raise Failure(f"the authority wants a proof of {name}, which was not ordered", general=True)
            found.append(
                Proof(
                    name=name,
                    authorization=challenge.chall.key_authorization(self._key),
                    record=challenges.DNS01(token=challenge.chall.token).validation(self._key),
                    place=f"{challenges.DNS01.LABEL}.{name}",
                    task=task,
                    challenge=challenge,
                )
            )
        return found

    def look(self, proof: Proof) -> None:
        """Tell the authority that a proof can be seen."""
        with self._explained():
            self._client().answer_challenge(proof.challenge, proof.challenge.chall.response(self._key))

    def believes(self, proof: Proof) -> float:
        """0 when the authority has seen a proof, else in how many seconds to ask again."""
        with self._explained():
            task, answer = self._client().poll(proof.task)
        if task.body.status == messages.STATUS_VALID:
            return 0.0
        if task.body.status == messages.STATUS_PENDING:
            now, (soonest, latest) = self._clock(), LOOK_SECONDS
            then = moment_of(answer.headers.get("Retry-After"), now) or now + timedelta(seconds=soonest)
            return min(max((then - now).total_seconds(), soonest), latest)
        for challenge in task.body.challenges:
            if challenge.error is not None:
                raise _problem(challenge.error)
        raise Failure(f"the authority says that {proof.name} is {task.body.status.name}")

    def finish(self) -> str:
        """The certificate with its chain, PEM, now that everything is proven."""
        with self._explained():
            # The library's own clock, which has no time zone.
            end = datetime.now() + timedelta(seconds=ISSUE_SECONDS)
            return str(self._client().finalize_order(self._placed(), end).fullchain_pem)

    def close(self) -> None:
        """Let go of the connection."""
        self._network.session.close()

    def _client(self) -> ClientV2:
        if self._connected is None:
            self._connected = ClientV2(ClientV2.get_directory(self._directory, self._network), self._network)
        return self._connected

    def _placed(self) -> messages.OrderResource:
        assert self._order is not None, "nothing was ordered"
        return self._order

    def _heard(self, answer: Any, *_: object, **__: object) -> None:
        self._retry_after = answer.headers.get("Retry-After")

    @contextmanager
    def _explained(self) -> Iterator[None]:
        """Say in our words what goes wrong."""
        general = partial(Failure, general=True)
        try:
            yield
        except messages.Error as error:
            raise _problem(error, moment_of(self._retry_after, self._clock())) from error
        except errors.IssuanceError as error:
            raise _problem(error.error) from error
        except errors.TimeoutError as error:
            raise general(f"the authority did not issue it within {ISSUE_SECONDS} seconds") from error
        except (errors.Error, josepy.errors.Error, JSONDecodeError, KeyError, TypeError, AttributeError) as error:
            # The last ones come of values that are not of the kind they should be.
            raise general(f"the authority {self._directory} gives no proper answer: {readable(str(error))}") from error
        except (OSError, ValueError) as error:
            # What the network does comes as one or the other.
            raise general(f"the authority {self._directory} cannot be reached: {readable(_cause(error))}") from error


@challenges.ChallengeResponse.register
class _TlsAlpnResponse(challenges.KeyAuthorizationChallengeResponse):
    typ = Method.TLS.value


@challenges.Challenge.register
class _TlsAlpn(challenges.KeyAuthorizationChallenge):
    """TLS-ALPN-01 (RFC 8737), of which the library has not heard any more since its version 4."""

    response_cls = _TlsAlpnResponse
    typ = response_cls.typ

    def validation(self, account_key: JWK, **_: object) -> str:
        """What is proven; the certificate that proves it is made by `showcase`."""
        return self.key_authorization(account_key)


class _Network(ClientNetwork):
    """Asks again, with a new nonce, when one was refused; the library itself does so once."""

    def post(self, *words: Any, **named: Any) -> Any:
        for _ in range(_NONCES):
            try:
                return super().post(*words, **named)
            except messages.Error as error:
                if error.code != "badNonce":
                    raise
        return super().post(*words, **named)


def _cause(error: BaseException) -> str:
    """What is below all that libraries have made of it."""
    while (inner := error.__cause__ or error.__context__) is not None:
        error = inner
    return str(error) or type(error).__name__


def _problem(error: messages.Error, retry_at: datetime | None = None) -> Failure:
    inner = next(iter(error.subproblems or ()), None)
    said = error.detail or error.title or error.description or (inner.detail if inner else "")
    return problem(str(error.typ), str(said or ""), retry_at)
