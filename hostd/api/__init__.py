"""The HTTP API: the paths, verbs and JSON of Heroku's Platform API v3, and `/hostd/...` for what Heroku lacks.

One module per resource. Handlers hold no policy: they read the request, ask ledger, manager or deploys, and
put the answer into its JSON shape.
"""

from hostd.api.application import build_api, serve
from hostd.api.identity import Peers

__all__ = ["Peers", "build_api", "serve"]
