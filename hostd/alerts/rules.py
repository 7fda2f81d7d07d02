"""Rules: the grammar of conditions, `web p95>500ms for 5m`, and the values that they are."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from hostd.alerts.figures import CODES, DAY, FIGURES, Figure, Kind, Of, Unit, find, looks_like_code
from hostd.errors import Invalid

LONGEST = 200
"""Characters of a condition."""
MOST = 1e9
_SLACK = 0.05
_EXAMPLES = "'web p95>500ms for 5m', 'errors>5%', 'worker memory>90%', 'H12>3', 'crashes>3 for 1h'"

_COMPARISON = re.compile(
    r"(?P<before>.*?)\s*(?P<sign>[<>]=?|=+|\babove\b|\bover\b|\bbelow\b|\bunder\b)\s*(?P<after>.*)", re.IGNORECASE
)
_LIMIT = re.compile(
    r"(?P<number>\d{1,10}(?:\.\d{1,6})?)\s*(?P<unit>(?!(?:for|in|within)\b)[^\s\d]\S*)?"
    r"(?:\s+(?:for|in|within)\s+(?P<time>.+))?",
    re.IGNORECASE,
)
_TIME = re.compile(r"(\d{1,5})\s*(m|min|minutes?|h|hours?)", re.IGNORECASE)
_SIGNS = {">": True, "above": True, "over": True, "<": False, "below": False, "under": False}


@dataclass(frozen=True, slots=True)
class Rule:
    """A condition: `threshold` in `unit`, of the dynos of a process type or of whatever there is.

    `minutes` is how long it has to hold, or, of what is counted, over how long.
    """

    process: str | None
    figure: Figure
    above: bool
    threshold: float
    unit: str
    minutes: int

    def __str__(self) -> str:
        who = f"{self.process} " if self.process else ""
        sign = ">" if self.above else "<"
        time = f" for {length(self.minutes)}" if self.figure.timed else ""
        return f"{who}{self.figure.name}{sign}{number(self.threshold)}{self.unit}{time}"

    @property
    def measure(self) -> Unit:
        """By what it is measured."""
        return self.figure.units[self.unit]

    @property
    def counts(self) -> bool:
        """Whether it is about how often something happens."""
        return self.figure.kind is Kind.COUNT

    @property
    def ends_at(self) -> float:
        """Where it ends that has begun: a little on the good side of the threshold, so that it does not flap; half of
        it for what is counted."""
        if self.counts:
            return self.threshold / 2
        return self.threshold * (1 - _SLACK if self.above else 1 + _SLACK)

    @property
    def needed(self) -> int:
        """Minutes in a row in which it has to hold."""
        return 1 if self.counts else self.minutes

    @property
    def calm(self) -> int:
        """Minutes in a row that are good after which it ends."""
        return 2 if self.counts else min(max(self.minutes, 2), 10)

    def breached(self, value: float) -> bool:
        """Whether a value is what is feared."""
        return value > self.threshold if self.above else value < self.threshold

    def is_calm(self, value: float) -> bool:
        """Whether a value is good again."""
        return value <= self.ends_at if self.above else value >= self.ends_at

    def value(self, value: float) -> str:
        """A value in words: `812 ms`, `93%`."""
        return f"{number(value)}{self.measure.shown}"


def parse(text: str, *, platform: bool = False) -> Rule:
    """The rule that a text is, for an app or for the platform. Raises Invalid, saying what is allowed."""
    text = " ".join(text.split())
    if not text or len(text) > LONGEST or not text.isprintable():
        raise Invalid(f"A condition has 1 to {LONGEST} characters, such as {_EXAMPLES}.")
    found = _COMPARISON.fullmatch(text)
    if found is None:
        raise Invalid(
            f"{text!r} compares nothing. Write a condition such as {_EXAMPLES}, in quotes: a shell takes > for itself."
        )
    process, figure = _subject(found["before"])
    above = _side(found["sign"], figure)
    limit = _LIMIT.fullmatch(found["after"])
    if limit is None:
        raise Invalid(f"{found['after']!r} is no limit for {figure.name}. Write it so: {figure.example}")
    unit = _unit(limit["unit"] or "", figure)
    rule = Rule(process, figure, above, float(limit["number"]), unit, _minutes(limit["time"], figure))
    _check(rule, platform)
    return rule


def number(value: float) -> str:
    """A number without needless digits."""
    return f"{value:.0f}" if value == int(value) or abs(value) >= 100 else f"{value:.2f}".rstrip("0").rstrip(".")


def length(minutes: int) -> str:
    """`5m`, `2h`, `90m`."""
    return f"{minutes}m" if minutes % 60 else f"{minutes // 60}h"


def _subject(text: str) -> tuple[str | None, Figure]:
    words = text.split()
    if not words or len(words) > 2:
        raise Invalid(f"{text!r} is not what a condition begins with: a process type, if you like, and {_known()}.")
    process = words[0] if len(words) == 2 else None
    figure = find(words[-1])
    if figure is None:
        raise Invalid(_unknown(words[-1]))
    if process is not None and find(process) is not None:
        raise Invalid(f"{process} is not a process type. Write one condition in each alert.")
    return process, figure


def _side(sign: str, figure: Figure) -> bool:
    above = _SIGNS.get(sign.lower())
    if above is None:
        raise Invalid(f"{sign} is not known here: write > or <, as in {figure.example}")
    if above and figure.only_below:
        raise Invalid(f"{figure.name} can only be compared by <, as in {figure.example}")
    if not above and not (figure.below or figure.only_below):
        raise Invalid(f"{figure.name} can only be compared by >, as in {figure.example}")
    return above


def _unit(text: str, figure: Figure) -> str:
    for unit in figure.units:
        if unit.lower() == text.lower():
            return unit
    if text.lower() in {"days", "day"} and "d" in figure.units:
        return "d"
    units = [unit for unit in figure.units if unit]
    if not units:
        raise Invalid(f"{figure.name} has no unit {text[:20]!r}: write a bare number, as in {figure.example}")
    wrong = f"is not in {text[:20]!r}" if text else "needs a unit"
    raise Invalid(f"{figure.name} {wrong}: write {_either(units)} after the number, as in {figure.example}")


def _minutes(text: str | None, figure: Figure) -> int:
    if text is None:
        return figure.minutes
    if not figure.timed:
        raise Invalid(f"No `for` can be said of {figure.name}: write {figure.example}")
    found = _TIME.fullmatch(text)
    minutes = int(found[1]) * (60 if found[2].lower().startswith("h") else 1) if found else 0
    if not 1 <= minutes <= DAY:
        raise Invalid(f"`for {text[:40]}` must be a time from 1m to 24h, such as `for 5m`: figures are by the minute.")
    return minutes


def _check(rule: Rule, platform: bool) -> None:
    name = rule.figure.name
    if rule.threshold > MOST or (rule.unit == "%" and name in ("errors", "disk") and rule.threshold > 100):
        raise Invalid(f"{number(rule.threshold)}{rule.unit} is more than {name} can be.")
    of = rule.figure.of
    if platform:
        if of not in (Of.PLATFORM, Of.ANYTHING):
            known = [figure.name for figure in FIGURES.values() if figure.of in (Of.PLATFORM, Of.ANYTHING)]
            raise Invalid(f"{name} is an app's: say which app, with -a APP. The platform has {_either(known)}.")
        if rule.process is not None:
            raise Invalid(f"The platform has no process types: write {rule.figure.example}")
        return
    if of is Of.PLATFORM:
        raise Invalid(f"{name} is the whole machine's. An admin can set it: hostctl alerts:add --platform ...")
    if rule.process is not None and of in (Of.APP, Of.ANYTHING):
        raise Invalid(f"{name} is the app's and not of one process type: write {rule.figure.example}")
    if rule.process not in (None, "web") and of is Of.REQUESTS:
        raise Invalid(f"{name} is of requests, which only web dynos get: write web {rule.figure.example}")


def _unknown(word: str) -> str:
    import difflib  # slow to import, and only needed here

    if looks_like_code(word):
        same = [code for code in CODES if code[0] == word[0].upper()]
        return f"There is no code {word.upper()}. The codes: {', '.join(same or CODES)}."
    near = difflib.get_close_matches(word.lower(), [*FIGURES, *_OTHER_NAMES], n=1, cutoff=0.6)
    meant = f" Did you mean {_OTHER_NAMES.get(near[0], near[0])}?" if near else ""
    return f"There is nothing called {word[:40]!r} to watch.{meant} There are {_known()}."


_OTHER_NAMES = {
    "latency": "p95", "response-time": "p95", "5xx": "errors", "error-rate": "errors", "throughput": "requests",
    "rpm": "requests", "mem": "memory", "ram": "memory", "processor": "cpu", "restarts": "crashes",
    "crash-loop": "crashes", "cert": "certificate", "expiry": "certificate", "drain": "drain-loss", "pool": "disk",
}  # fmt: skip


def _known() -> str:
    return f"{', '.join(FIGURES)}, or a code such as H12, R14 or L10"


def _either(words: Sequence[str] | Iterable[str]) -> str:
    *first, last = words
    return f"{', '.join(first)} or {last}" if first else last
