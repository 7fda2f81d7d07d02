"""Pipfile.lock as a requirements file: the lock has all that pip needs, so pipenv itself is not."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

_VERSION_CONTROL = ("git", "hg", "svn", "bzr")


def requirements(lock: Mapping[str, Any]) -> str:
    """The text of a requirements file with the lock's default packages, their hashes, and its indexes."""
    sources = [str(source["url"]) for source in lock.get("_meta", {}).get("sources", []) if "url" in source]
    lines = [f"--index-url {url}" if number == 0 else f"--extra-index-url {url}" for number, url in enumerate(sources)]
    entries = lock.get("default", {})
    lines += [_requirement(name, entry) for name, entry in sorted(entries.items()) if isinstance(entry, Mapping)]
    return "".join(f"{line}\n" for line in lines)


def _requirement(name: str, entry: Mapping[str, Any]) -> str:
    extras = f"[{','.join(entry['extras'])}]" if entry.get("extras") else ""
    markers = f" ; {entry['markers']}" if entry.get("markers") else ""
    if "path" in entry:
        return f"{'-e ' if entry.get('editable') else ''}{entry['path']}{extras}"
    for system in _VERSION_CONTROL:
        if system in entry:
            ref = f"@{entry['ref']}" if entry.get("ref") else ""
            folder = f"#subdirectory={entry['subdirectory']}" if entry.get("subdirectory") else ""
            return f"{name}{extras} @ {system}+{entry[system]}{ref}{folder}{markers}"
    if "file" in entry:
        return f"{name}{extras} @ {entry['file']}{markers}"
    hashes = "".join(f" --hash={value}" for value in entry.get("hashes", []))
    return f"{name}{extras}{entry.get('version', '')}{markers}{hashes}"
