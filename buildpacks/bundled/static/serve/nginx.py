"""The configuration of nginx for a site, as a template whose `%%NAME%%` are filled in when a dyno starts. Pure.

The order for a path is heroku-buildpack-static's: HTTPS and the canonical host, files, clean URLs, proxies,
redirects, routes, 404. Where that one runs Ruby inside nginx, here are maps.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from .settings import Settings

REFUSED = ("Procfile", "static.json", "app.json", "Aptfile", "bin/boot")
"""Files of the platform that are never served, when the root is the app's own folder."""

_COMPRESSED = (
    "text/plain text/css text/javascript text/xml application/javascript application/json application/manifest+json "
    "application/xml application/rss+xml application/atom+xml application/wasm image/svg+xml font/ttf font/otf"
)
_WITH_CHARSET = (
    "text/plain text/css text/javascript text/xml text/markdown application/javascript application/json "
    "application/manifest+json application/rss+xml application/atom+xml"
)
_TYPES = "application/javascript mjs; application/manifest+json webmanifest; text/markdown md"
_SUFFIX = r"\.(?:css|m?js|map|json|wasm|png|jpe?g|gif|svg|webp|avif|ico|woff2?|ttf|otf|mp4|webm)$"
_LOG_LINE = '$http_x_forwarded_for "$request" $status $body_bytes_sent "$http_referer" "$http_user_agent"'
# How bundlers name files by their content: webpack, Hugo and others in hexadecimal, Vite in base64.
_HASHED = (
    rf"[.-](?=[0-9a-f]*[0-9])(?=[0-9a-f]*[a-f])[0-9a-f]{{8,64}}{_SUFFIX}",
    rf"/assets/[^/]*-(?=[\w-]*[A-Z])(?=[\w-]*[a-z])[\w-]{{8}}{_SUFFIX}",
)


def configuration(settings: Settings) -> str:
    """The text of nginx.conf for a site at /app."""
    return "\n".join([*_server_wide(settings), *_maps(settings), *_server(settings), "}", ""])


def pattern_expression(pattern: str) -> str:
    """A pattern of static.json as a regular expression: `*` within a segment, `**` across segments."""
    parts = re.split(r"(\*\*|\*)", pattern)
    return "^" + "".join({"**": ".*", "*": "[^/]*"}.get(part, re.escape(part)) for part in parts) + "$"


# Helpers


def _server_wide(settings: Settings) -> Iterator[str]:
    if settings.basic_auth:
        yield f"# login {settings.basic_auth_htpasswd_path or '/app/.htpasswd'}"
    yield "daemon off;"
    yield "worker_processes %%@workers%%;"
    yield "pid %%@run%%/nginx.pid;"
    yield f"error_log stderr {settings.error_log};"
    yield "events { worker_connections 1024; }"
    yield "http {"
    for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi"):
        yield f"  {kind}_temp_path %%@run%%/{kind};"
    yield "  include /app/.heroku/nginx/etc/nginx/mime.types;"
    yield f"  types {{ {_TYPES}; }}"
    yield f"  charset_types {_WITH_CHARSET};"
    yield "  default_type application/octet-stream;"
    yield "  sendfile on; tcp_nopush on; server_tokens off; keepalive_timeout 75; client_body_timeout 30;"
    yield "  types_hash_max_size 4096; map_hash_bucket_size 256; variables_hash_max_size 2048;"
    yield f"  log_format hostd '{_LOG_LINE}';"
    yield "  access_log /dev/stdout hostd;" if settings.access_log else "  access_log off;"
    if settings.gzip:
        yield "  gzip on; gzip_static on; gzip_vary on; gzip_proxied any; gzip_min_length 512;"
        yield f"  gzip_types {_COMPRESSED};"
    yield '  geo $dollar { default "$"; }'
    yield '  map $http_x_forwarded_proto $scheme_asked { default $http_x_forwarded_proto; "" http; }'
    # What was asked for, whatever internal redirects made of it since.
    yield r'  map $request_uri $asked { "~^(?<asked_path>[^?]*)" $asked_path; }'


def _maps(settings: Settings) -> Iterator[str]:
    for status in sorted({redirect.status for redirect in settings.redirects.values()}):
        chosen = {path: redirect.url for path, redirect in settings.redirects.items() if redirect.status == status}
        yield from _map("$uri", f"$redirect_{status}", [(path, _quoted(url)) for path, url in chosen.items()])
    # A route to a folder says that what is there is served and nothing else.
    routes = {path: "" if target.endswith("/") else target for path, target in settings.routes.items()}
    yield from _map("$uri", "$route", [(path, _quoted(target)) for path, target in routes.items()])
    # A name with a hash in it never gets another content; all else is asked for again, and answered with 304.
    yield '  map $uri $usual_caching { default "no-cache";'
    for name in _HASHED:
        yield f'    "~{name}" "public, max-age=31536000, immutable";'
    yield "  }"
    for number, header in enumerate(_header_names(settings)):
        # The last pattern that fits wins with all that it has, and with nothing else.
        fitting = [(path, _header_value(header, values)) for path, values in reversed(list(settings.headers.items()))]
        default = "$usual_caching" if header == "cache-control" else '""'
        yield from _map("$asked", f"$header_{number}", fitting, default)


def _server(settings: Settings) -> Iterator[str]:
    fallback = "try_files $uri.html $uri $uri/ @fallback;" if settings.clean_urls else "try_files $uri $uri/ @fallback;"
    yield "  server {"
    yield "    listen %%@port%%;"
    yield f"    charset {settings.encoding};"
    root = "/app" if settings.root == "." else f"/app/{settings.root}"
    yield f"    root {_quoted(root)};"
    yield "    index index.html index.htm; absolute_redirect off; recursive_error_pages on;"
    yield "    error_page 403 = @fallback;"
    yield from _error_pages(settings)
    yield "    include auth.conf;"
    yield from _moves(settings)
    for number, header in enumerate(_header_names(settings)):
        always = " always" if header != "cache-control" else ""
        yield f"    add_header {_spelling(header, settings)} $header_{number}{always};"
    if "cache-control" not in _header_names(settings):
        yield "    add_header Cache-Control $usual_caching;"
    # Dot files, git's and the platform's among them; what .well-known has is meant to be seen.
    yield r'    location ~ "/\.(?!well-known(/|$))" { return 404; }'
    if settings.root == ".":
        for name in REFUSED:
            yield f"    location = /{name} {{ return 404; }}"
    yield f"    location / {{ {fallback} }}"
    yield from _proxies(settings)
    yield "    location @fallback {"
    for status in sorted({redirect.status for redirect in settings.redirects.values()}):
        yield f"      if ($redirect_{status}) {{ return {status} $redirect_{status}; }}"
    yield "      try_files $route =404;"
    yield "    }"
    yield "  }"


def _error_pages(settings: Settings) -> Iterator[str]:
    if settings.error_page:
        yield f"    error_page 404 500 502 503 504 {settings.error_page};"
    elif settings.not_found_page:
        yield f"    error_page 404 {settings.not_found_page};"


def _moves(settings: Settings) -> Iterator[str]:
    scheme = "https" if settings.https_only else "$scheme_asked"
    if settings.canonical_host:
        host = _filled(settings.canonical_host)
        yield f'    if ($host != "{host}") {{ return 301 {scheme}://{host}$request_uri; }}'
    if settings.https_only:
        yield "    if ($scheme_asked != https) { return 301 https://$host$request_uri; }"


def _proxies(settings: Settings) -> Iterator[str]:
    if settings.proxies:
        yield "    include resolver.conf;"
    for number, (path, origin) in enumerate(settings.proxies.items()):
        yield f"    location {_quoted(path)} {{ try_files $uri @proxy_{number}; }}"
        yield f"    location @proxy_{number} {{"
        yield f"      set $backend {_quoted(origin)}; set $base '';"
        yield r'      if ($backend ~ "^(https?://[^/]+)(.*?)/?$") { set $backend $1; set $base $2; }'
        yield f'      rewrite "^{re.escape(path.rstrip("/"))}/?(.*)$" $base/$1 break;'
        yield "      proxy_pass $backend; proxy_http_version 1.1; proxy_ssl_server_name on;"
        yield f"      proxy_redirect $backend$base/ {_quoted(path.rstrip('/') + '/')};"
        yield "    }"


def _map(source: str, target: str, entries: list[tuple[str, str]], default: str = '""') -> Iterator[str]:
    yield f"  map {source} {target} {{"
    yield f"    default {default};"
    for pattern, value in entries:
        yield f'    "~{pattern_expression(pattern)}" {value};'
    yield "  }"


def _header_names(settings: Settings) -> list[str]:
    return list(dict.fromkeys(name.lower() for values in settings.headers.values() for name in values))


def _spelling(header: str, settings: Settings) -> str:
    return next(name for values in settings.headers.values() for name in values if name.lower() == header)


def _header_value(header: str, values: dict[str, str]) -> str:
    found = next((value for name, value in values.items() if name.lower() == header), None)
    if found is None:
        return "$usual_caching" if header == "cache-control" else '""'
    return '"' + re.sub(r'(["\\])', r"\\\1", found).replace("$", "${dollar}") + '"'


def _quoted(text: str) -> str:
    return f'"{_filled(text)}"'


def _filled(text: str) -> str:
    """A value of static.json in which `${NAME}` stands for a config var."""
    return re.sub(r"\$\{(\w+)\}", r"%%\1%%", text)
