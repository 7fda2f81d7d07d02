"""Histograms of response times: how they are told apart, added, written down, and read as percentiles. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from router.metrics import BUCKETS

PLACES = len(BUCKETS) + 1
"""One for each bound, and one for all that took longer than the last."""
EMPTY = (0,) * PLACES
_LOW_BITS = 0x7F
_MORE = 0x80


def apart(up_to: Sequence[int]) -> tuple[int, ...]:
    """How many are in each bucket, from how many there are up to each bound, as Prometheus counts."""
    return tuple(count - before for count, before in zip(up_to, (0, *up_to), strict=False))


def together(histograms: Iterable[Sequence[int]]) -> tuple[int, ...]:
    """All of them as one."""
    return tuple(map(sum, zip(EMPTY, *histograms, strict=True)))


def percentile(counts: Sequence[int], share: float) -> float | None:
    """The milliseconds within which this share (0.95) was answered; None of nothing.

    As Prometheus' histogram_quantile: within a bucket they are taken to lie evenly; beyond the last bound it is that.
    """
    total = sum(counts)
    if not total:
        return None
    rank, below, lower = share * total, 0, 0.0
    for bound, count in zip(BUCKETS, counts, strict=False):
        if count and below + count >= rank:
            return 1000 * (lower + (bound - lower) * (rank - below) / count)
        below, lower = below + count, bound
    return 1000 * BUCKETS[-1]


def pack(counts: Sequence[int]) -> bytes:
    """As bytes: seven bits in each, the eighth says that more follow. Mostly one a bucket; none for none at all."""
    if not any(counts):
        return b""
    packed = bytearray()
    for number in counts:
        count = number
        while count > _LOW_BITS:
            packed.append(count & _LOW_BITS | _MORE)
            count >>= 7
        packed.append(count)
    return bytes(packed)


def unpack(packed: bytes) -> tuple[int, ...]:
    """What `pack` made. Raises ValueError for anything else."""
    counts, count, shift = [], 0, 0
    for byte in packed:
        count |= (byte & _LOW_BITS) << shift
        shift += 7
        if not byte & _MORE:
            counts.append(count)
            count, shift = 0, 0
    if not packed:
        return EMPTY
    if len(counts) != PLACES or shift:
        raise ValueError(f"{len(packed)} bytes that are no histogram")
    return tuple(counts)
