"""What schemathesis does around each call that it makes (`SCHEMATHESIS_HOOKS`); see `tests.support.fuzzing`.

Callers take turns, what a call has taken away is put back, and what was answered is written down.
"""

from __future__ import annotations

import atexit
import http.client
import itertools
import json
import os
from collections import Counter
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import schemathesis

FOLDER = Path(os.environ["HOSTD_FUZZ"])
ENDING = ("DELETE /apps/{app}", "PATCH /apps/{app}")
"""What would leave the others without the app that they ask for: that is done to another one."""
_SCENE = json.loads((FOLDER / "scene.json").read_text())
_APP = _SCENE["app"]
_SPARE = f"{_APP}-spare"
_TURNS = itertools.cycle(_SCENE["turns"])
_asked: Counter[tuple[str, str, int]] = Counter()
_role = ""


@schemathesis.hook
def before_call(_context: Any, case: Any, _kwargs: Any) -> None:
    """Let the next caller ask."""
    global _role
    _role = next(_TURNS)
    headers = dict(case.headers or {})
    headers.pop("Authorization", None)
    if token := _SCENE["tokens"][_role]:
        headers["Authorization"] = f"Bearer {token}"
    case.headers = headers
    if _APP and _call(case) in ENDING and case.path_parameters.get("app") == _APP:
        case.path_parameters["app"] = _SPARE
        _ask("POST", "/apps", {"name": _SPARE})


@schemathesis.hook
def after_call(_context: Any, case: Any, response: Any) -> None:
    """Note how it was answered, and put back what others are asked about."""
    call = _call(case)
    _asked[call, _role, response.status_code] += 1
    if _APP and case.method.upper() != "GET" and response.status_code < 300:
        if call.startswith("PATCH /apps/{app}/formation"):
            _ask("PATCH", f"/apps/{_APP}/formation/web", {"quantity": 1, "size": "eco"})
        elif "/collaborators" in call:
            _ask("POST", f"/apps/{_APP}/collaborators", {"user": _SCENE["viewer"], "permissions": ["view"]})


@atexit.register
def _keep() -> None:
    """Leave what was asked to who started this."""
    (FOLDER / "asked.json").write_text(json.dumps([[*key, times] for key, times in _asked.items()]))


def _call(case: Any) -> str:
    return f"{case.method.upper()} {case.operation.path}"


def _ask(method: str, path: str, body: Any) -> None:
    """Ask as the owner, whatever the answer."""
    address = urlsplit(_SCENE["address"])
    connection = http.client.HTTPConnection(address.hostname or "", address.port, timeout=60)
    headers = {"Authorization": f"Bearer {_SCENE['tokens']['owner']}", "Content-Type": "application/json"}
    connection.request(method, path, json.dumps(body), headers)
    connection.getresponse().read()
    connection.close()
