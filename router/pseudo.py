"""Pseudo: heads of HTTP/2 as those of HTTP/1.1, and back. Pure.

HTTP/2 carries names and values as they are, so that a line break, a second length or a blank in a path would become
something else once it is written as HTTP/1.1. What HTTP/1.1 could not have said is refused here (RFC 9113, 8.2, 8.3
and 10.3), and `heads` judges the rest, as it does for HTTP/1.1.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence, Set
from functools import lru_cache

from router.fields import Field, Refused
from router.trailers import passing

_NAME = re.compile(rb"[!#$%&'*+.^_`|~0-9a-z-]+")
_IMPROPER = re.compile(rb"[\x00-\x08\x0a-\x1f\x7f]|\A[ \t]|[ \t]\Z")
_METHOD = re.compile(rb"[!#$%&'*+.^_`|~0-9A-Za-z-]{1,32}")
_TARGET = re.compile(rb"/[!-~]*|\*")
_PSEUDO = frozenset((b":method", b":scheme", b":authority", b":path"))
_CONNECT = (b":method", b"CONNECT")
_KEY = b"sec-websocket-key"
_OF_CONNECTIONS = frozenset((b"connection", b"proxy-connection", b"keep-alive", b"transfer-encoding", b"upgrade"))
"""What speaks of a connection, and so means nothing in HTTP/2."""

# Those that llhttp knows in HTTP/1.1.
_COMMON_METHODS = b"GET HEAD POST PUT PATCH DELETE OPTIONS TRACE"
_WEBDAV = b"ACL BIND COPY LOCK MKCALENDAR MKCOL MOVE PROPFIND PROPPATCH REBIND REPORT SEARCH UNBIND UNLOCK"
_OTHERS = b"CHECKOUT LINK M-SEARCH MERGE MKACTIVITY NOTIFY PURGE QUERY SOURCE SUBSCRIBE UNLINK UNSUBSCRIBE"
METHODS = frozenset(b" ".join((_COMMON_METHODS, _WEBDAV, _OTHERS)).split())
"""Methods that are taken."""
_SHORT = 256
"""Bytes of a field that is judged once and remembered: clients and dynos say most of them again and again."""
_WITH_CONTENT = frozenset((b"POST", b"PUT", b"PATCH"))


def request_of(headers: Iterable[Field], *, ended: bool) -> tuple[bytes, bytes, list[Field]]:
    """Method, target and fields as HTTP/1.1 would have them; raises Refused. `ended`: no body comes."""
    pseudo, fields = _parted(headers, _PSEUDO)
    method = _method(pseudo.get(b":method", b""))
    target, fields = _addressed(method, pseudo, fields)
    if all(name != b"content-length" for name, _ in fields):
        if not ended:
            fields.append((b"transfer-encoding", b"chunked"))
        elif method in _WITH_CONTENT:
            fields.append((b"content-length", b"0"))
    return method, target, fields


def offers(headers: Sequence[Field]) -> bool:
    """Whether this is a CONNECT that names a protocol (RFC 8441, 4)."""
    return _CONNECT in headers and any(name == b":protocol" for name, _ in headers)


def offer_of(headers: Iterable[Field], key: bytes, *, ended: bool) -> tuple[bytes, bytes, list[Field]]:
    """Such a CONNECT as the GET by which HTTP/1.1 offers to switch to WebSocket; raises Refused. `key` is what the dyno
    is to prove that with (RFC 6455, 4.1); `ended`: nothing follows."""
    pseudo, fields = _parted(headers, _PSEUDO | {b":protocol"})
    if pseudo[b":protocol"].lower() != b"websocket":
        raise Refused(501, "the only protocol that CONNECT is offered for here is websocket")
    if ended or any(name == b"content-length" for name, _ in fields):
        raise Refused(400, "bad request line: a tunnel has no length")
    target, fields = _addressed(b"GET", pseudo, fields)
    fields = [field for field in fields if field[0] != _KEY]
    return b"GET", target, [*fields, (b"connection", b"Upgrade"), (b"upgrade", b"websocket"), (_KEY, key)]


def improper_request(headers: Iterable[Field]) -> tuple[bytes, bytes, list[Field]]:
    """What can be said of a request that was refused: method ("-" if it is none), target and fields."""
    seen = list(headers)
    found = dict(seen)
    method = found.get(b":method", b"")
    hosts = [value for name, value in seen if name == b":authority"]
    fields = [field for field in seen if field[0][:1] != b":" and not (hosts and field[0].lower() == b"host")]
    fields += [(b"host", host) for host in hosts]
    return method if _METHOD.fullmatch(method) else b"-", found.get(b":path", b""), fields


def trailers_of(headers: Iterable[Field]) -> list[Field]:
    """The fields after a request's body; raises Refused."""
    fields = [_field(name, value) for name, value in headers]
    if any(name[:1] == b":" for name, _ in fields):
        raise Refused(400, "bad trailer: it is a pseudo-header")
    return fields


def answer_of(head: bytes) -> tuple[int, list[Field]]:
    """The status and the fields of a head that was written, by us, as HTTP/1.1."""
    lines = head.split(b"\r\n")
    status = lines[0][9:12]
    fields = [(b":status", status)]
    for line in lines[1:]:
        if (field := _line_again(line) if len(line) < _SHORT else _line(line)) is not None:
            fields.append(field)
    return int(status), fields


def trailing(fields: Sequence[Field]) -> list[Field]:
    """Those of a dyno's trailers that go on, as HTTP/2 has them."""
    return [found for name, value in passing(fields) if (found := _lowered(name, value)) is not None]


def _parted(headers: Iterable[Field], known: Set[bytes]) -> tuple[dict[bytes, bytes], list[Field]]:
    """Pseudo-headers, and the fields that come after them; raises Refused."""
    pseudo: dict[bytes, bytes] = {}
    fields: list[Field] = []
    for name, value in headers:
        if name[:1] != b":":
            fields.append(_field_again(name, value) if len(name) + len(value) < _SHORT else _field(name, value))
        elif fields or name in pseudo or name not in known or _IMPROPER.search(value):
            raise Refused(400, "bad request line: its pseudo-headers are not proper")
        else:
            pseudo[name] = value
    return pseudo, fields


def _addressed(method: bytes, pseudo: dict[bytes, bytes], fields: list[Field]) -> tuple[bytes, list[Field]]:
    """The target, and the fields with one Host and one Cookie; raises Refused."""
    target = _target(method, pseudo)
    if any(name == b"cookie" for name, _ in fields):
        fields = _one_cookie(fields)
    if b":authority" in pseudo:
        fields = _one_host(fields, pseudo[b":authority"])
    return target, fields


def _line(line: bytes) -> Field | None:
    name, _, value = line.partition(b":")
    return _lowered(name, value)


_line_again = lru_cache(2048)(_line)


def _lowered(name: bytes, value: bytes) -> Field | None:
    lowered = name.lower()
    return None if lowered in _OF_CONNECTIONS else (lowered, value.strip(b" \t"))


def _field(name: bytes, value: bytes) -> Field:
    if not _NAME.fullmatch(name):
        raise Refused(400, "bad header: its name is not proper")
    if _IMPROPER.search(value):
        raise Refused(400, "bad header: its value is not proper")
    if name in _OF_CONNECTIONS or (name == b"te" and value.lower() != b"trailers"):
        raise Refused(400, f"bad header: HTTP/2 has no {name.decode()}")
    return name, value


_field_again = lru_cache(2048)(_field)


def _method(method: bytes) -> bytes:
    if method == b"CONNECT":
        raise Refused(405, "CONNECT is not offered here")
    if not _METHOD.fullmatch(method):
        raise Refused(400, "bad request line: the method is not proper")
    if method not in METHODS:
        raise Refused(501, "this method is not known here")
    return method


def _target(method: bytes, pseudo: dict[bytes, bytes]) -> bytes:
    if pseudo.get(b":scheme", b"").lower() not in (b"https", b"http"):
        raise Refused(400, "bad request line: the scheme is neither https nor http")
    target = pseudo.get(b":path", b"")
    if not _TARGET.fullmatch(target) or (target == b"*" and method != b"OPTIONS"):
        raise Refused(400, "bad request line: the target is not a path")
    return target


def _one_cookie(fields: list[Field]) -> list[Field]:
    """Cookies may come one by one, so that they are compressed better (RFC 9113, 8.2.3); HTTP/1.1 has one field."""
    crumbs = [value for name, value in fields if name == b"cookie"]
    return [*(field for field in fields if field[0] != b"cookie"), (b"cookie", b"; ".join(crumbs))]


def _one_host(fields: list[Field], authority: bytes) -> list[Field]:
    """`:authority` is the Host; another that comes along must say the same."""
    if not authority:
        raise Refused(400, "bad request line: the :authority is empty")
    if any(value.lower() != authority.lower() for name, value in fields if name == b"host"):
        raise Refused(400, "bad header: Host is not the :authority")
    return [(b"host", authority), *(field for field in fields if field[0] != b"host")]
