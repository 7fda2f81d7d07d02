"""The two lines of log-runtime-metrics for each dyno, as Heroku writes them. Pure."""

from __future__ import annotations

from hostd.manager.reading import Reading

_MEGABYTE = 1 << 20


def runtime_lines(reading: Reading) -> list[str]:
    """Load averages; and memory in megabytes, as the kernel counts it for the dyno's control group.

    Pages are left out where the kernel does not count them.
    """
    usage, load = reading.usage, reading.load
    whose = f"source={reading.dyno.name} dyno=heroku.{reading.dyno.app_id}.{reading.run.id}"
    rss, cache, swap = usage.rss or 0, usage.cache or 0, usage.swap or 0
    samples = {
        "memory_total": _megabytes(rss + cache + swap),
        "memory_rss": _megabytes(rss),
        "memory_cache": _megabytes(cache),
        "memory_swap": _megabytes(swap),
        "memory_pgpgin": None if usage.pages_in is None else f"{usage.pages_in}pages",
        "memory_pgpgout": None if usage.pages_out is None else f"{usage.pages_out}pages",
        "memory_quota": _megabytes(reading.quota),
    }
    averages = {"1m": load.one, "5m": load.five, "15m": load.fifteen}
    loads = " ".join(f"sample#load_avg_{name}={value:.2f}" for name, value in averages.items())
    known = (f"sample#{name}={value}" for name, value in samples.items() if value is not None)
    return [f"{whose} {loads}", f"{whose} {' '.join(known)}"]


def _megabytes(count: int) -> str:
    return f"{count / _MEGABYTE:.2f}MB"
