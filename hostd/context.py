"""What the parts of the control plane know of one another.

`hostd.assembly` makes one `Context` and hands it to the API. The protocols say what the API asks of its
neighbours, so that it can be tested without systemd, and so that nobody imports in a circle.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from hostd.acme.keeper import AutomaticCertificates
from hostd.alerts.alerts import Alerts
from hostd.capacity import Capacity
from hostd.certificates.authorities import Authorities
from hostd.certificates.checking import Checked, Description
from hostd.code_stores import Repositories, SlugStore, Sources, Space, Stacks
from hostd.deploys.deploy import Deploy, PushOutcome, Wanted
from hostd.deploys.slug_drafts import SlugDraft, SlugDrafts
from hostd.dns import DomainChecks
from hostd.draining import Draining
from hostd.events import Events
from hostd.ledger import Ledger
from hostd.ledger.app_setups import AppSetup
from hostd.ledger.apps import App
from hostd.ledger.builds import Build
from hostd.ledger.certificates import Certificate
from hostd.ledger.job_runs import JobRun
from hostd.ledger.jobs import Job
from hostd.ledger.pipelines import Pipeline
from hostd.ledger.promotions import Promotion
from hostd.ledger.releases import Release
from hostd.ledger.slugs import Slug
from hostd.ledger.users import User
from hostd.manager.dyno import Dyno
from hostd.manager.settling import Missing
from hostd.metrics.collector import Collector
from hostd.settings import Settings
from slugs.build_unit import Output
from units.journald import Contents


class OneOff(Protocol):
    """A one-off dyno that was made, and the token that attaches a terminal to it."""

    @property
    def dyno(self) -> Dyno:
        """The dyno."""

    @property
    def attach_token(self) -> str | None:
        """What a client shows on the attach socket; None for a detached dyno."""


class Manager(Protocol):
    """The dyno manager, as the API sees it."""

    def dynos(self, app_id: str) -> list[Dyno]:
        """The app's dynos, one-off dynos too."""

    def nudge(self, app_id: str) -> None:
        """Say that the ledger has changed for this app."""

    async def route(self, app_id: str) -> None:
        """As `nudge`, and wait until the router knows."""

    async def missing(self, app: App, type_: str | None, seconds: float) -> Sequence[Missing]:
        """Wait until the wanted dynos of a type, or all, are up; those that are not after so many seconds."""

    async def restart(self, app: App, selector: str | None) -> Any:
        """Restart a dyno (`web.1`), a process type (`web`), or with None the whole app."""

    async def stop(self, app: App, selector: str) -> Any:
        """Stop a dyno or the dynos of a process type; those of the formation come back."""

    async def forget(self, app: App) -> Any:
        """Stop all dynos of a destroyed app and give back what they held."""

    async def prepare_one_off(  # noqa: PLR0917
        self,
        app: App,
        command: str,
        env: Mapping[str, str],
        size: str,
        attach: bool,
        time_limit: float | None = None,
        holder: str | None = None,
    ) -> OneOff:
        """Make a one-off dyno; if not attached, start it. It is stopped after *time_limit* seconds."""

    def prepare_visit(  # noqa: PLR0917
        self,
        app: App,
        dyno: str,
        argv: Sequence[str],
        env: Mapping[str, str] | None,
        time_limit: float | None = None,
        holder: str | None = None,
    ) -> OneOff:
        """Get ready to run a program inside a running dyno; `env` comes on top of the dyno's, None is without that."""

    def prepare_forward(self, app: App, dyno: str, port: int, holder: str | None = None) -> OneOff:
        """Get ready to connect to a port inside a running dyno."""


class Deploys(Protocol):
    """Deploys and releases, as the API sees them."""

    async def push(self, deploy: Deploy, *, tree: AsyncIterator[bytes] | None, output: Output) -> PushOutcome:
        """Take a source to a release; `tree` is the tar stream, if that is the source.

        Cancelling it cancels the build and leaves nothing.
        """

    async def start(self, deploy: Deploy, *, tree: AsyncIterator[bytes] | None) -> Build:
        """Begin what `push` does and return when the build is recorded. Raises Busy during another deploy."""

    def cancel(self, build: Build, user: User) -> bool:
        """Cancel a build that runs; False if it has ended, or has made its release."""

    def output(self, build: Build) -> AsyncIterator[bytes]:
        """What a build said, and as long as it runs what it says."""

    def outcome(self, push_id: str) -> PushOutcome | None:
        """How a push ended; None for one that was never seen."""

    async def release(
        self,
        app: App,
        *,
        user: User,
        description: str,
        config: Mapping[str, str] | None = None,
        slug_id: str | None = None,
        stack: str | None = None,
    ) -> Release:
        """Append a release and make it live; what is None is as in the current one. Raises Busy during a deploy.

        Writes the log lines of the release (`Events.release`).
        """

    async def release_slug(self, app: App, slug: Slug, *, user: User, description: str) -> Release:
        """Release a slug of the app once more; its release command runs before. Raises Conflict, Busy."""

    async def release_draft(
        self, app: App, draft: SlugDraft, tree: Callable[[], AsyncIterator[bytes]], *, user: User, description: str
    ) -> Release:
        """Release a slug that was uploaded, which `tree` opens. Raises Invalid, Unavailable, Conflict, Busy."""

    async def destroyed(self, app: App) -> None:
        """Delete the files and the account of an app that was destroyed and whose dynos have stopped."""

    def holder(self, app_id: str) -> str | None:
        """What is going on, such as `kate@example.com is deploying 20a5742`; None if the app is free."""


class Promoter(Protocol):
    """What promotes code from app to app, as the API sees it."""

    def begin(self, pipeline: Pipeline, source: Release, targets: Sequence[App], user: User) -> Promotion:
        """Promote what a release has to the targets; returns when that is recorded. Raises Conflict without code."""


class Setups(Protocol):
    """What sets apps up, as the API sees it."""

    def begin(self, setup: AppSetup, app: App, user: User, wanted: Wanted) -> None:
        """Set an app up that was just made, together with the record of its setup, which tells how it goes."""

    def output(self, setup: AppSetup) -> AsyncIterator[bytes]:
        """What a setup said, and as long as it goes on what it says."""


class Scheduler(Protocol):
    """The scheduler, as the API sees it."""

    def nudge(self) -> None:
        """Say that jobs or apps have changed."""

    async def run_now(self, app: App, job: Job, user: User) -> JobRun:
        """Run a job by hand; returns when its dyno has started. Raises Conflict."""


class Sleeper(Protocol):
    """What lets apps sleep, as the API sees it."""

    def nudge(self) -> None:
        """Say that an app may sleep earlier than was known."""

    def wake(self, app_id: str) -> bool:
        """Let an app be awake; whether it slept."""


class Router(Protocol):
    """The router, as the API sees it."""

    async def status(self) -> Mapping[str, Mapping[str, Any]]:
        """What each worker says of itself, by its number; an empty mapping for one that does not answer."""

    async def problems(self, workers: int) -> Sequence[str]:
        """What is wrong with the router, in sentences; so many workers should be there."""


class CertificateKeeper(Protocol):
    """The keeper of certificates, as the API sees it."""

    @property
    def authorities(self) -> Authorities:
        """Whom this system trusts."""

    async def judge(self, chain: str, key: str) -> Checked:
        """Whether a certificate can be served, its chain completed. Raises Invalid, saying what is wrong."""

    def put(self, certificate: Certificate) -> bool:
        """Give the router a certificate with its key; whether it lacked it. Raises OSError."""

    def withdraw(self, certificate: Certificate) -> None:
        """Take from the router a certificate that its table does not name any more, unless another app has the same."""

    def served(self, app: App) -> Mapping[str, Certificate]:
        """The certificate with which each host of an app is served; the others have the default one."""

    def platform(self) -> Description | None:
        """The platform's own certificate; None if there is none that can be read."""

    def untrusted(self, app: App) -> list[str]:
        """The hosts of an app that browsers warn of."""


class Journals(Protocol):
    """The journals of apps, as the API sees them."""

    async def ensure(self, app_ids: Iterable[str] | None = None) -> None:
        """Have these apps' journals take lines, or all apps'."""

    async def limit(self, app_id: str) -> None:
        """Put the limits that the ledger has of an app's journal in force."""

    async def contents(self, app_id: str) -> Contents:
        """What is in an app's journal. Raises JournalUnavailable."""


class Unit(Protocol):
    """What is needed of `units.systemd.UnitStatus`."""

    @property
    def name(self) -> str:
        """The unit's name."""

    @property
    def active(self) -> str:
        """`active`, `failed`, `inactive`, ..."""

    @property
    def sub(self) -> str:
        """`running`, `exited`, ..."""


class Units(Protocol):
    """What is needed of `units.systemd.Systemd`."""

    def list_units(self, patterns: Sequence[str]) -> Sequence[Unit]:
        """The loaded units whose name matches one of the patterns."""


class Revoking(Protocol):
    """What is needed of `hostd.revoking.Revoking`."""

    async def review(self, user: User, app: App | None = None) -> None:
        """End what a user has running that they may have no more, on an app or at all."""

    def end_keys(self, user: User, keys: Collection[str], spared: int | None = None) -> None:
        """End the ssh connections of a user that were opened with keys, by their ids; not that of process `spared`."""

    async def end_token(self, user: User, authorization_id: str) -> None:
        """End what a user has running with the token of an authorization."""


class Networks(Protocol):
    """What is needed of `units.network.Networks`."""

    @property
    def held(self) -> int:
        """How many networks there are now."""

    @property
    def problems(self) -> tuple[str, ...]:
        """Why builds have no network, or cannot reach the outside; as sentences."""


@dataclass(frozen=True, slots=True)
class Context:
    """Everything a request may need."""

    settings: Settings
    ledger: Ledger
    manager: Manager
    deploys: Deploys
    promoter: Promoter
    setups: Setups
    events: Events
    pool: Space
    slug_store: SlugStore
    systemd: Units
    networks: Networks
    repositories: Repositories
    sources: Sources
    slug_drafts: SlugDrafts
    stacks: Stacks
    scheduler: Scheduler
    capacity: Capacity
    sleeper: Sleeper
    domain_checks: DomainChecks
    metrics: Collector
    certificates: CertificateKeeper
    router: Router
    journals: Journals
    automatic: AutomaticCertificates
    alerts: Alerts
    log_key: bytes = field(repr=False)
    """Signs log sessions; the logplex holds the same key."""
    draining: Draining
    revoking: Revoking
