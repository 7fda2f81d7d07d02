"""Texts that are made to keep hostd busy, for which nothing else would run meanwhile; and damaged keys."""

from __future__ import annotations

import base64
import math
import secrets

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed448, ed25519, rsa
from tls_kit import key_pem, make

from hostd.certificates import pem
from hostd.certificates.pem import LARGEST, LARGEST_RSA, read
from hostd.errors import Invalid

RSA = rsa.generate_private_key(65537, 2048)
OWN = RSA.private_numbers()
OTHER_PRIME = rsa.generate_private_key(65537, 2048).private_numbers().p


def odd(bits: int) -> int:
    return secrets.randbits(bits) | 1 << (bits - 1) | 1


def whole(part: int, tag: int = 2) -> bytes:
    return tagged(tag, part.to_bytes(part.bit_length() // 8 + 1, "big"))


def tagged(tag: int, inside: bytes) -> bytes:
    size = len(inside)
    length = size.to_bytes((size.bit_length() + 7) // 8, "big")
    return bytes([tag]) + (bytes([size]) if size < 128 else bytes([0x80 | len(length)]) + length) + inside


def sequence(*parts: bytes) -> bytes:
    return tagged(0x30, b"".join(parts))


def block(der: bytes, label: str = "PRIVATE KEY") -> str:
    return f"-----BEGIN {label}-----\n{base64.encodebytes(der).decode()}-----END {label}-----\n"


def rsa_key(own: rsa.RSAPrivateNumbers) -> str:
    public = own.public_numbers
    parts = (0, public.n, public.e, own.d, own.p, own.q, own.dmp1, own.dmq1, own.iqmp)
    return block(sequence(*map(whole, parts)), "RSA PRIVATE KEY")


def dsa_key(bits: int) -> bytes:
    """One whose public half is computed when it is read."""
    kind = bytes.fromhex("06072a8648ce380401")
    numbers = sequence(whole(odd(bits)), whole(odd(256)), whole(5))
    return sequence(whole(0), sequence(kind, numbers), tagged(4, whole(odd(bits))))


def certificate_with(exponent: int) -> str:
    d = pow(exponent, -1, math.lcm(OWN.p - 1, OWN.q - 1))
    public = rsa.RSAPublicNumbers(exponent, OWN.public_numbers.n)
    own = rsa.RSAPrivateNumbers(OWN.p, OWN.q, d, d % (OWN.p - 1), d % (OWN.q - 1), OWN.iqmp, public)
    return make("a.test", key=own.private_key()).pem


@pytest.mark.parametrize("traditional", [False, True])
@pytest.mark.parametrize("key", [
    RSA, ec.generate_private_key(ec.SECP256R1()), ed25519.Ed25519PrivateKey.generate(),
    ed448.Ed448PrivateKey.generate(),
], ids=["RSA", "ECDSA", "Ed25519", "Ed448"])  # fmt: skip
def test_keys_that_are_taken(key, traditional):
    if traditional and isinstance(key, ed25519.Ed25519PrivateKey | ed448.Ed448PrivateKey):
        traditional = False
    text = key_pem(key, traditional=traditional)
    (found,) = read(text.replace("\n", "\r\n")).keys
    assert key_pem(found) == key_pem(key)


def test_a_key_of_the_largest_size_is_taken_and_no_larger_one():
    # Of no prime factors: whether they are is not looked at, as that takes seconds.
    p, q = _coprime(LARGEST_RSA // 2), _coprime(LARGEST_RSA // 2)
    assert len(read(rsa_key(_key_of(p, q))).keys) == 1
    with pytest.raises(Invalid, match=f"has {LARGEST_RSA + 2} bits; at most {LARGEST_RSA}"):
        read(rsa_key(_key_of(_coprime(LARGEST_RSA // 2 + 1), _coprime(LARGEST_RSA // 2 + 1))))


def _coprime(bits: int) -> int:
    while True:
        # With the highest two bits, the product has twice as many.
        found = odd(bits) | 1 << (bits - 2)
        if math.gcd(found - 1, 65537) == 1:
            return found


def _key_of(p: int, q: int) -> rsa.RSAPrivateNumbers:
    while math.gcd(p, q) != 1:
        q = _coprime(q.bit_length())
    d = pow(65537, -1, math.lcm(p - 1, q - 1))
    public = rsa.RSAPublicNumbers(65537, p * q)
    return rsa.RSAPrivateNumbers(p, q, d, d % (p - 1), d % (q - 1), pow(q, -1, p), public)


@pytest.mark.parametrize("damaged", [
    {"p": OTHER_PRIME}, {"p": 1, "q": OWN.public_numbers.n}, {"q": odd(300_000)}, {"d": OWN.d + 2},
    {"dmp1": OWN.dmp1 + 2}, {"dmq1": OWN.dmq1 + 2}, {"iqmp": OWN.iqmp + 1}, {"iqmp": OWN.iqmp + OWN.p},
], ids=lambda changed: "+".join(changed))  # fmt: skip
def test_a_damaged_key_is_refused(damaged):
    parts = {name: getattr(OWN, name) for name in ("p", "q", "d", "dmp1", "dmq1", "iqmp")} | damaged
    with pytest.raises(Invalid, match="damaged"):
        read(rsa_key(rsa.RSAPrivateNumbers(**parts, public_numbers=OWN.public_numbers)))


def test_a_key_that_is_computed_when_it_is_read_is_not_read(monkeypatch):
    def never(*_: object, **__: object) -> None:
        raise AssertionError("the library has it")

    for name in ("load_pem_private_key", "load_der_private_key"):
        monkeypatch.setattr(pem.serialization, name, never)
    with pytest.raises(Invalid, match="of a kind that browsers do not know"):
        read(block(dsa_key(100_000)))


def test_more_than_two_keys_are_refused():
    assert len(read(key_pem(RSA) * 2).keys) == 2
    with pytest.raises(Invalid, match="more than 2 private keys"):
        read(key_pem(RSA) * 3)


def test_ends_are_not_looked_for_when_there_is_too_much():
    begin = "-----BEGIN A-----"
    with pytest.raises(Invalid, match=f"too much: {LARGEST // len(begin)} certificates"):
        read(begin * (LARGEST // len(begin)))


def test_a_certificate_that_makes_all_signatures_dear_is_refused():
    least = next(each for each in range(2**63 + 1, 2**64, 2) if _usable(each))
    assert len(read(certificate_with(least)).certificates) == 1
    larger = next(each for each in range(2**64 + 1, 2**65, 2) if _usable(each))
    with pytest.raises(Invalid, match="public exponent has more than 64 bits"):
        read(certificate_with(larger))


def _usable(exponent: int) -> bool:
    return math.gcd(exponent, (OWN.p - 1) * (OWN.q - 1)) == 1
