"""The table of `test_api_matrix.py`: who may make which call.

Below each right or group of people: the calls, with values for the parameters of their paths; then `=` and the status
for those who may, if that is not a success; then the body. `{app}` and `$app` are an app made for the cell, `$new` a
name that nothing has yet.
"""

from __future__ import annotations

WHO_MAY = {
    # By a right on an app. For all others 403 if they may see it, and 404 if not.
    "view": """
GET    /apps/{app}
GET    /apps/{app}/collaborators
GET    /apps/{app}/collaborators/{user=view@example.com}
GET    /apps/{app}/available-dyno-sizes
GET    /apps/{app}/available-stacks
GET    /apps/{app}/addons
GET    /apps/{app}/addon-attachments
GET    /apps/{app}/addons/{addon=none} =404
GET    /apps/{app}/addon-attachments/{attachment=none} =404
GET    /apps/{app}/telemetry-drains
GET    /apps/{app}/usage
GET    /apps/{app}/buildpack-installations
GET    /apps/{app}/builds
GET    /apps/{app}/builds/{build=current}
GET    /apps/{app}/builds/{build=current}/output
GET    /apps/{app}/domains
GET    /apps/{app}/domains/{domain=$app.example.org}
GET    /apps/{app}/dynos
GET    /apps/{app}/dynos/{dyno=web.1}
GET    /apps/{app}/features
GET    /apps/{app}/features/{feature=session-affinity}
GET    /apps/{app}/formation
GET    /apps/{app}/formation/{type=web}
GET    /apps/{app}/log-drains
GET    /apps/{app}/log-drains/{drain=none} =404
POST   /apps/{app}/log-sessions {"tail": true}
GET    /apps/{app}/metrics
GET    /apps/{app}/releases
GET    /apps/{app}/releases/{release=2}
GET    /apps/{app}/releases/{release=2}/output =404
GET    /apps/{app}/slugs
GET    /apps/{app}/slugs/{slug=current}
GET    /apps/{app}/sni-endpoints
GET    /apps/{app}/sni-endpoints/{certificate=none} =404
GET    /apps/{app}/pipeline-couplings
GET    /pipelines/{pipeline=$line}
GET    /pipelines/{pipeline=$line}/pipeline-couplings
GET    /pipeline-couplings/{coupling=$coupling}
GET    /apps/{app}/webhooks
GET    /apps/{app}/webhooks/{webhook=none} =404
GET    /apps/{app}/webhook-deliveries
GET    /apps/{app}/webhook-deliveries/{delivery=none} =404
GET    /apps/{app}/webhook-events
GET    /apps/{app}/webhook-events/{event=none} =404
GET    /hostd/apps/{app}/acm
GET    /hostd/apps/{app}/alerts
GET    /hostd/apps/{app}/alerts/{alert=1}
GET    /hostd/apps/{app}/build-settings
GET    /hostd/apps/{app}/cache
GET    /hostd/apps/{app}/checks
GET    /hostd/apps/{app}/dynos/missing
GET    /hostd/apps/{app}/gate
GET    /hostd/apps/{app}/https
GET    /hostd/apps/{app}/idle
GET    /hostd/apps/{app}/jobs
GET    /hostd/apps/{app}/jobs/{job=1}
GET    /hostd/apps/{app}/logs
GET    /hostd/apps/{app}/routing
GET    /hostd/apps/{app}/slugs/{slug=current}/usage
GET    /hostd/apps/{app}/usage
""",
    "config": """
GET    /apps/{app}/config-vars
GET    /apps/{app}/releases/{release=2}/config-vars
GET    /hostd/apps/{app}/slugs/{slug=current}/tarball
""",
    "deploy": """
PUT    /apps/{app}/buildpack-installations {"updates": []}
POST   /apps/{app}/builds {"source_blob": {"url": "https://example.com/a.tgz"}}
DELETE /apps/{app}/builds/{build=current}
PATCH  /hostd/apps/{app}/build-settings {"timeout": 60}
DELETE /hostd/apps/{app}/cache
DELETE /apps/{app}/build-cache
POST   /hostd/deploys?app={app}&build=$uuid {"git": {"url": "https://example.com/a.git"}}
POST   /apps/{app}/releases {"release": 2}
POST   /apps/{app}/sources
POST   /apps/{app}/slugs {"process_types": {"web": "./server"}}
""",
    "operate": """
PATCH  /apps/{app} {"maintenance": true}
PATCH  /apps/{app}/config-vars {"A": "1"}
POST   /apps/{app}/acm {}
PATCH  /apps/{app}/acm =422 {"acm_refresh": true}
DELETE /apps/{app}/acm
POST   /apps/{app}/addons =404 {"plan": "none"}
POST   /apps/{app}/domains {"hostname": "$new.example.com"}
PATCH  /apps/{app}/domains/{domain=$app.example.org} =404 {"sni_endpoint": "none"}
DELETE /apps/{app}/domains/{domain=$app.example.org}
DELETE /apps/{app}/domains
POST   /apps/{app}/dynos {"command": "date"}
POST   /apps/{app}/dynos/{dyno=web.1} {"command": "date"}
POST   /apps/{app}/dynos/{dyno=web.1}/actions/copy {"path": "a"}
POST   /apps/{app}/dynos/{dyno=web.1}/actions/forward {"port": 80}
POST   /apps/{app}/dynos/{dyno=web.1}/actions/stop
DELETE /apps/{app}/dynos
DELETE /apps/{app}/dynos/{dyno=web.1}
DELETE /apps/{app}/formations/{dyno=web}
POST   /apps/{app}/formations/{dyno=web}/actions/stop
PATCH  /apps/{app}/features/{feature=session-affinity} {"enabled": true}
PATCH  /apps/{app}/formation {"updates": [{"type": "web", "quantity": 0}]}
PATCH  /apps/{app}/formation/{type=web} {"quantity": 0}
POST   /apps/{app}/log-drains {"url": "syslog://logs.example.com:514"}
DELETE /apps/{app}/log-drains/{drain=none} =404
POST   /apps/{app}/sni-endpoints =422 {"certificate_chain": "x", "private_key": "x"}
PATCH  /apps/{app}/sni-endpoints/{certificate=none} =404 {"certificate_chain": "x", "private_key": "x"}
DELETE /apps/{app}/sni-endpoints/{certificate=none} =404
PATCH  /pipeline-couplings/{coupling=$coupling} {"stage": "production"}
DELETE /pipeline-couplings/{coupling=$coupling}
POST   /apps/{app}/webhooks {"include": ["api:release"], "level": "notify", "url": "https://example.com/hook"}
PATCH  /apps/{app}/webhooks/{webhook=none} =404 {"level": "notify"}
DELETE /apps/{app}/webhooks/{webhook=none} =404
POST   /hostd/apps/{app}/alerts {"condition": "web p95>500ms"}
PATCH  /hostd/apps/{app}/alerts/{alert=1} {"paused": true}
DELETE /hostd/apps/{app}/alerts/{alert=1}
POST   /hostd/apps/{app}/alerts/{alert=1}/tests
PUT    /hostd/apps/{app}/checks/{type=web} {"path": "/health"}
DELETE /hostd/apps/{app}/checks/{type=web} =404
POST   /hostd/apps/{app}/gate {"networks": ["192.0.2.0/24"]}
DELETE /hostd/apps/{app}/gate
PATCH  /hostd/apps/{app}/https {"redirect": true}
PATCH  /hostd/apps/{app}/idle {"after": 600}
POST   /hostd/apps/{app}/jobs {"command": "date", "every": "10m"}
PATCH  /hostd/apps/{app}/jobs/{job=1} {"paused": true}
DELETE /hostd/apps/{app}/jobs/{job=1}
POST   /hostd/apps/{app}/jobs/{job=1}/runs
PATCH  /hostd/apps/{app}/logs {"size_mb": 64}
PATCH  /hostd/apps/{app}/routing {"masked": ["token"]}
""",
    "manage": """
DELETE /apps/{app}
GET    /hostd/apps/{app}/audit
POST   /apps/{app}/collaborators {"user": "stranger@example.com"}
PATCH  /apps/{app}/collaborators/{user=deploy@example.com} {"permissions": ["view"]}
""",
    # Whoever has a token. Of others' things nothing is said in lists.
    "known": """
GET    /account
PATCH  /account {}
PATCH  /users/{user=~} {}
GET    /account/features
GET    /account/features/{feature=none} =404
PATCH  /account/features/{feature=none} =404 {"enabled": true}
GET    /account/keys
POST   /account/keys =422 {"public_key": "ssh-dss AAAA"}
DELETE /account/keys
GET    /account/keys/{key=none} =404
DELETE /account/keys/{key=none} =404
GET    /account/rate-limits
GET    /account/app-transfers
GET    /users/~
GET    /users/{user=~}/apps
GET    /users/{user=~}/addons
GET    /users/{user=second@example.com}
GET    /apps
POST   /apps {"name": "$new"}
GET    /pipelines
POST   /pipelines {"name": "$new"}
GET    /pipeline-couplings
GET    /users/~/pipeline-couplings
GET    /pipeline-promotions/{promotion=none} =404
GET    /pipeline-promotions/{promotion=none}/promotion-targets =404
POST   /app-setups {"app": {"name": "$new"}, "source_blob": {"url": "https://example.com/a.tgz"}}
GET    /app-setups/{setup=none} =404
GET    /hostd/app-setups/{setup=none}/output =404
POST   /sources
POST   /filters/apps {"in": {"id": []}}
GET    /hostd/audit
GET    /hostd/metrics/apps
GET    /hostd/usage
GET    /hostd/version
GET    /hostd/status
GET    /hostd/router
GET    /hostd/doors =503
GET    /addons
GET    /addons/{addon=none} =404
GET    /addons/{addon=none}/addon-attachments =404
GET    /addon-attachments
GET    /addon-attachments/{attachment=none} =404
GET    /addon-services
GET    /addon-services/{service=none} =404
GET    /addon-services/{service=none}/plans =404
POST   /actions/addons/resolve =404 {"addon": "none", "app": null}
POST   /actions/addon-attachments/resolve =404 {"addon_attachment": "none", "app": null}
GET    /dyno-sizes
GET    /dyno-sizes/{size=eco}
GET    /regions
GET    /regions/{region=local}
GET    /stacks
GET    /stacks/{stack=host}
GET    /hostd/stacks/{stack=host}/packages
GET    /spaces
GET    /spaces/{space=none} =404
GET    /teams
GET    /teams/{team=none} =404
GET    /teams/{team=none}/apps =404
GET    /teams/apps/{app=none} =404
POST   /teams/apps =404 {"name": "$new", "team": "none"}
GET    /oauth/authorizations
POST   /oauth/authorizations {"description": "x"}
GET    /oauth/authorizations/{oauth_authorization=none} =404
PATCH  /oauth/authorizations/{oauth_authorization=none} =404 {"description": "x"}
DELETE /oauth/authorizations/{oauth_authorization=none} =404
POST   /oauth/authorizations/{oauth_authorization=none}/actions/regenerate-tokens =404
GET    /oauth/clients
POST   /oauth/clients =422 {"name": "x", "redirect_uri": "https://example.com"}
GET    /oauth/clients/{oauth_client=none} =404
PATCH  /oauth/clients/{oauth_client=none} =404 {"name": "x"}
DELETE /oauth/clients/{oauth_client=none} =404
POST   /oauth/clients/{oauth_client=none}/actions/rotate-credentials =404
POST   /oauth/tokens =422 {"grant": {"type": "authorization_code"}}
DELETE /oauth/tokens/{oauth_token=none} =404
GET    /oauth/sessions
DELETE /oauth/sessions/{oauth_session=none} =404
""",
    # Admins; all others get 403.
    "admin": """
GET    /hostd/users
POST   /hostd/users {"email": "$new@example.com"}
PATCH  /hostd/users/{user=owner@example.com} {"admin": false}
DELETE /hostd/users/{user=owner@example.com} =409
POST   /hostd/users/{user=owner@example.com}/keys =422 {"public_key": "ssh-dss AAAA"}
GET    /hostd/alerts
POST   /hostd/alerts {"condition": "disk>90%"}
GET    /hostd/alerts/{alert=99} =404
PATCH  /hostd/alerts/{alert=99} =404 {"paused": true}
DELETE /hostd/alerts/{alert=99} =404
POST   /hostd/alerts/{alert=99}/tests =404
GET    /hostd/metrics
GET    /hostd/releases/verify
GET    /hostd/slugs/garbage
DELETE /hostd/slugs/garbage
POST   /hostd/stacks {"name": "debian-12"}
POST   /hostd/stacks/{stack=debian-12}/versions {}
PATCH  /hostd/stacks/{stack=debian-12} {}
DELETE /hostd/stacks/{stack=none}
""",
    # Admins; for all others there is nothing.
    "private": """
GET    /hostd/users/{user=second@example.com}
""",
    # Everybody, without a token too: it is public, or the address itself is what only few know.
    "open": """
GET    /schema
GET    /openapi.json
GET    /api/v4/current-status
GET    /buildpacks
GET    /buildpacks/{buildpack=heroku%2Fpython}
GET    /buildpacks/{buildpack=heroku%2Fpython}/readme
GET    /buildpacks/{buildpack=heroku%2Fpython}/revisions
PUT    /hostd/sources/{source=$uuid} =404
GET    /hostd/signed/logs =503
GET    /hostd/signed/builds/{app}/{build=current} =403
GET    /hostd/signed/releases/{app}/{release=2} =403
""",
    # hostd's own programs, at the unix socket; at this door nothing is there.
    "internal": """
GET    /hostd/ssh/keys
POST   /hostd/ssh/repositories {}
POST   /hostd/pushes
POST   /hostd/git/repositories {}
GET    /hostd/pushes/{push=none}
""",
}

_ITS_OWNERS = {"view": 403, "deploy": 403, "operate": 403, "manage": 403}

SPECIAL = {
    # The app is in a pipeline of its owner's.
    "PATCH /pipelines/{pipeline=$line}": ({"name": "$new"}, {**_ITS_OWNERS, "owner": 200, "admin": 200}),
    "DELETE /pipelines/{pipeline=$line}": (None, {**_ITS_OWNERS, "owner": 200, "admin": 200}),
    "GET /pipelines/{pipeline=$line}/webhooks": (None, {**_ITS_OWNERS, "owner": 200, "admin": 200}),
    "POST /pipelines/{pipeline=$line}/webhooks": (
        {"include": ["api:release"], "level": "notify", "url": "https://example.com/hook"},
        {**_ITS_OWNERS, "owner": 201, "admin": 201},
    ),
    "GET /pipelines/{pipeline=$line}/webhooks/{webhook=none}": (None, _ITS_OWNERS),
    "PATCH /pipelines/{pipeline=$line}/webhooks/{webhook=none}": ({"level": "notify"}, _ITS_OWNERS),
    "DELETE /pipelines/{pipeline=$line}/webhooks/{webhook=none}": (None, _ITS_OWNERS),
    "GET /pipelines/{pipeline=$line}/webhook-deliveries": (None, {**_ITS_OWNERS, "owner": 200, "admin": 200}),
    "GET /pipelines/{pipeline=$line}/webhook-deliveries/{delivery=none}": (None, _ITS_OWNERS),
    "GET /pipelines/{pipeline=$line}/webhook-events": (None, {**_ITS_OWNERS, "owner": 200, "admin": 200}),
    "GET /pipelines/{pipeline=$line}/webhook-events/{event=none}": (None, _ITS_OWNERS),
    "POST /pipeline-transfers": (
        {"pipeline": "$line", "new_owner": "stranger@example.com"}, {**_ITS_OWNERS, "owner": 201, "admin": 201},
    ),
    "POST /pipeline-couplings": (
        {"app": "$app", "pipeline": "$line", "stage": "staging"}, {**_ITS_OWNERS, "owner": 409, "admin": 409},
    ),
    "POST /pipeline-promotions": (
        {"pipeline": "$line", "source": {"app": "$app"}, "targets": [{"app": "$app"}]},
        {"view": 403, "deploy": 422, "operate": 403, "manage": 422, "owner": 422, "admin": 422},
    ),
    # Whoever has a right may leave.
    "DELETE /apps/{app}/collaborators/{user=deploy@example.com}": (
        None, {"view": 403, "deploy": 200, "operate": 403, "manage": 200, "owner": 200, "admin": 200},
    ),
    # It is offered already; an admin needs nobody's word.
    "POST /account/app-transfers": (
        {"app": "$app", "recipient": "stranger@example.com"},
        {"view": 403, "deploy": 403, "operate": 403, "manage": 409, "owner": 409, "admin": 201},
    ),
    # The app is offered, by its owner, to the one who may deploy to it.
    "GET /account/app-transfers/{transfer=$app}": (None, {"deploy": 200, "manage": 200, "owner": 200, "admin": 200}),
    'PATCH /account/app-transfers/{transfer=$app}': (
        {"state": "declined"}, {"deploy": 200, "manage": 403, "owner": 403, "admin": 200},
    ),
    "DELETE /account/app-transfers/{transfer=$app}": (
        None, {"deploy": 403, "manage": 200, "owner": 200, "admin": 200},
    ),
}  # fmt: skip
"""Calls that are not by one right: the body, and the statuses by role; for others there is nothing."""
