"""The words of `hostd-install`."""

import argparse
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from hostd import settings as settings_module
from hostd.cli.client import Client
from hostd.errors import HostdError
from hostd.install.admin import ensure_admin
from hostd.install.apply import Wishes, apply, parse_changes
from hostd.install.callers import caller
from hostd.install.demo import Demo
from hostd.install.errors import InstallError
from hostd.install.uninstall import uninstall
from units.run import CommandError


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; returns the exit status."""
    options = _parser().parse_args(argv)
    try:
        options.action(options)
    except (InstallError, CommandError, HostdError) as error:
        print("\n".join(f" !     {line}" for line in str(error).splitlines()), file=sys.stderr)
        return 1
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="hostd-install", description=__doc__)
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    bring = commands.add_parser("apply", help="bring this machine to the wished state")
    bring.add_argument("--set", action="append", default=[], metavar="NAME=VALUE", help="change a setting")
    bring.add_argument("--pool-size", type=int, metavar="BYTES", help="size of a new pool image")
    bring.add_argument("--new-code", action="store_true", help="the program has changed: restart services")
    bring.set_defaults(action=_apply)
    admin = commands.add_parser("admin", help="make the first admin, if there is none")
    admin.add_argument("--email", help="their address")
    admin.set_defaults(action=_admin)
    demo = commands.add_parser("demo", help="deploy the example as the caller")
    demo.add_argument("--example", type=Path, required=True, help="directory of the example")
    demo.add_argument("--hostctl", default="hostctl", help="the hostctl to run")
    demo.add_argument("--email", help="the admin's address")
    demo.add_argument("--again", action="store_true", help="it was deployed before: only show it")
    demo.set_defaults(action=_demo)
    away = commands.add_parser("uninstall", help="remove everything that apply made")
    away.add_argument("--data", action="store_true", help="the data too")
    away.set_defaults(action=_uninstall)
    return parser


def _apply(options: argparse.Namespace) -> None:
    apply(Wishes(parse_changes(options.set), options.pool_size, options.new_code))


def _admin(options: argparse.Namespace) -> None:
    print(_ensured_admin(options.email))


def _demo(options: argparse.Namespace) -> None:
    settings = settings_module.load()
    config = Path(os.environ.get("HOSTD_CONFIG") or settings_module.DEFAULT_PATH)
    who = caller(os.environ)
    admin = _ensured_admin(options.email)
    example = options.example.resolve()
    Demo(settings, config.with_name("known_hosts"), example, options.hostctl, who, admin, options.again).run()


def _uninstall(options: argparse.Namespace) -> None:
    uninstall(data=options.data)


def _ensured_admin(email: str | None) -> str:
    client = Client(settings_module.load().run_dir)
    name = os.environ.get("SUDO_USER") or caller(os.environ).name
    return ensure_admin(client, email, f"{name}@localhost")
