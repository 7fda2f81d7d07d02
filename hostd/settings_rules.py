"""Rules: which values of settings can work. What cannot is refused by its name."""

from __future__ import annotations

import ipaddress
import re
from typing import TYPE_CHECKING

from hostd.errors import Invalid
from units.addresses import SMALLEST_PREFIX

if TYPE_CHECKING:
    from pathlib import Path

    from hostd.settings import Settings

SMALLEST_LOG_MB = 16
"""A smaller log may not hold 1,500 lines: it consists of eight files, and the oldest is deleted as a whole."""
LARGEST_LOG_MB = 1 << 20

_LABEL = r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?"
_DOMAIN = re.compile(rf"{_LABEL}(?:\.{_LABEL})*")
_PLAIN_PATH = re.compile(r"[A-Za-z0-9/._+@-]+")
_ADDRESS = re.compile(r"https://[a-z0-9.\[\]:-]+(/[A-Za-z0-9/._~%-]*)?")
_MAIL = re.compile(r"[A-Za-z0-9._%+-]+@[A-Za-z0-9.-]+")
_SERVER = re.compile(r"(?:[A-Za-z0-9.-]{1,253}|\[[0-9a-fA-F:]+\]):[0-9]{1,5}")
_USER = re.compile(r"[a-z_][a-z0-9_-]{0,31}")


def check(settings: Settings) -> None:
    """Raises Invalid, naming the first setting that cannot work."""
    ports = {name: getattr(settings, name) for name in ("http_port", "https_port", "ssh_port")}
    for name, port in ports.items():
        _require(1 <= port <= 65535, f"{name} must be a port, 1 to 65535.")
    for name in ("api_port", "rendezvous_port"):
        port = getattr(settings, name)
        _require(0 <= port <= 65535, f"{name} must be a port, 1 to 65535, or 0 for none.")
        if port:
            ports[name] = port
    _require(
        len(set(ports.values())) == len(ports),
        "http_port, https_port, ssh_port, api_port and rendezvous_port must differ.",
    )
    _require(
        len(settings.domain) <= 200 and _DOMAIN.fullmatch(settings.domain) is not None,
        "domain must be a host name in lower case, such as apps.example.com.",
    )
    for name in ("data_dir", "run_dir"):
        path: Path = getattr(settings, name)
        _require(_is_plain(str(path)), f"{name} must be an absolute path of letters, digits and . _ + @ -.")
    _require(1024 <= settings.dyno_port <= 65535, "dyno_port must be a port, 1024 to 65535.")
    _require(
        re.fullmatch(r"[a-z][a-z0-9]{0,7}", settings.network_name) is not None,
        "network_name must be 1 to 8 lower-case letters and digits, the first a letter.",
    )
    _require(
        _is_private_range(settings.network_prefix),
        "network_prefix must be a range of private IPv4 addresses, /12 to /24, such as 10.83.0.0/16.",
    )
    _require(65536 <= settings.uid_base < 2**31 - 65536, "uid_base must be 65536 to 2147418111.")
    _require(1 <= settings.router_workers <= 64, "router_workers must be 1 to 64.")
    _require(1 <= settings.boot_timeout <= 3600, "boot_timeout must be 1 to 3600.")
    _require(1 <= settings.run_timeout <= 31536000, "run_timeout must be 1 to 31536000.")
    _require(1 <= settings.build_timeout <= 86400, "build_timeout must be 1 to 86400.")
    _require(128 <= settings.build_memory_mb <= 1 << 20, "build_memory_mb must be 128 to 1048576.")
    _require(1 <= settings.builds_at_once <= 1000, "builds_at_once must be 1 to 1000.")
    _require(128 <= settings.build_disk_mb <= 1 << 30, "build_disk_mb must be 128 to 1073741824.")
    _require(1 <= settings.slug_limit_mb <= 1 << 20, "slug_limit_mb must be 1 to 1048576.")
    _require(1 <= settings.kept_slugs <= 1000, "kept_slugs must be 1 to 1000.")
    _require(16 <= settings.metrics_mb <= 1 << 20, "metrics_mb must be 16 to 1048576.")
    _require(1 <= settings.jobs_per_app <= 1000, "jobs_per_app must be 1 to 1000.")
    _require(
        bool(settings.cool_off) and all(0 <= pause <= 86400 for pause in settings.cool_off),
        "cool_off must be one or more numbers, each 0 to 86400.",
    )
    _require(128 <= settings.dyno_disk_mb <= 1 << 30, "dyno_disk_mb must be 128 to 1073741824.")
    _require(
        SMALLEST_LOG_MB <= settings.log_size_mb <= LARGEST_LOG_MB,
        f"log_size_mb must be {SMALLEST_LOG_MB} to {LARGEST_LOG_MB}.",
    )
    _require(0 <= settings.log_rate <= 1_000_000, "log_rate must be 0 to 1000000.")
    _require(1 <= settings.memory_overcommit <= 1000, "memory_overcommit must be 1 to 1000.")
    _require(0 <= settings.cycle_after <= 31536000, "cycle_after must be 0 to 31536000.")
    _require(0 <= settings.cycle_spread <= 31536000, "cycle_spread must be 0 to 31536000.")
    _check_drains(settings)
    _check_acme(settings)
    _check_alerts(settings)


def _check_drains(settings: Settings) -> None:
    for network in filter(None, settings.drain_networks.replace(" ", "").split(",")):
        _require(
            _is_network(network),
            f"drain_networks has {network[:50]!r} in it, which is no network. Write it so: 10.1.2.0/24, ::1/128.",
        )
    _require(1 <= settings.drain_patience <= 86400, "drain_patience must be 1 to 86400.")
    _require(
        _is_plain(str(settings.drain_dir)) and len(settings.drain_dir.parts) > 3,
        "drain_dir must be an absolute path, such as /var/log/hostd, of letters, digits and . _ + @ -.",
    )


def _check_acme(settings: Settings) -> None:
    _require(
        _ADDRESS.fullmatch(settings.acme_directory) is not None,
        "acme_directory must be the address of a certificate authority's directory, such as "
        "https://acme-v02.api.letsencrypt.org/directory.",
    )
    contact, hook = settings.acme_contact, settings.acme_dns_hook
    _require(not contact or _MAIL.fullmatch(contact) is not None, "acme_contact must be a mail address, or empty.")
    _require(
        not hook or _is_plain(hook),
        "acme_dns_hook must be the absolute path of a program, of letters, digits and . _ + @ -, or empty.",
    )
    _require(_USER.fullmatch(settings.acme_dns_hook_user) is not None, "acme_dns_hook_user must be a user's name.")
    _require(settings.acme_dns_hook_user != "root", "acme_dns_hook_user must not be root.")


def _check_alerts(settings: Settings) -> None:
    _require(1 <= settings.alerts_per_app <= 1000, "alerts_per_app must be 1 to 1000.")
    _require(
        _is_plain(str(settings.alert_programs)),
        "alert_programs must be the absolute path of a directory, of letters, digits and . _ + @ -.",
    )
    for name in ("alert_networks", "webhook_networks", "source_networks"):
        try:
            networks(getattr(settings, name))
        except ValueError as error:
            raise Invalid(f"{name} must be networks with commas between them: {error}.") from error
    _require(
        not settings.mail_server or _SERVER.fullmatch(settings.mail_server) is not None,
        "mail_server must be a host and a port, such as smtp.example.com:587, or empty.",
    )
    _require(settings.mail_security in ("starttls", "tls", "none"), "mail_security must be starttls, tls or none.")
    file, sender = settings.mail_login_file, settings.mail_from
    _require(not file or _is_plain(file), "mail_login_file must be the absolute path of a file, or empty.")
    _require(not sender or _MAIL.fullmatch(sender) is not None, "mail_from must be a mail address, or empty.")


def networks(text: str) -> list[ipaddress.IPv4Network | ipaddress.IPv6Network]:
    """The networks that a setting names. Raises ValueError."""
    return [ipaddress.ip_network(word) for word in text.replace(",", " ").split()]


def _is_plain(path: str) -> bool:
    """Whether a path can stand in unit properties and lines of text files as it is."""
    return path.startswith("/") and _PLAIN_PATH.fullmatch(path) is not None and ".." not in path.split("/")


def _is_network(text: str) -> bool:
    try:
        return bool(ipaddress.ip_network(text))
    except ValueError:
        return False


def _is_private_range(text: str) -> bool:
    private = ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "100.64.0.0/10")
    try:
        network = ipaddress.IPv4Network(text)
    except ValueError:
        return False
    ours = any(network.subnet_of(ipaddress.IPv4Network(each)) for each in private)
    return ours and 12 <= network.prefixlen <= SMALLEST_PREFIX


def _require(condition: bool, message: str) -> None:
    if not condition:
        raise Invalid(message)
