"""For gunicorn: says on standard output which requests it took, when it has all of them."""

from __future__ import annotations

import base64
import json
import os
from collections.abc import Callable, Iterable
from typing import Any


def application(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
    """The app."""
    body = environ["wsgi.input"].read()
    identity = environ.get("HTTP_X_REQUEST_ID", "")
    if len(body) == int(environ.get("CONTENT_LENGTH") or len(body)):
        taken = {
            "id": identity,
            "method": environ["REQUEST_METHOD"],
            "target": environ["RAW_URI"],
            "body": base64.b64encode(body).decode(),
        }
        os.write(1, json.dumps(taken).encode() + b"\n")
    start_response("200 OK", [("Content-Length", str(len(identity)))])
    return [] if environ["REQUEST_METHOD"] == "HEAD" else [identity.encode()]
