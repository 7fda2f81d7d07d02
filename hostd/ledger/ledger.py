"""The ledger as a whole: opened once by the control plane, its tables as attributes."""

from __future__ import annotations

from contextlib import AbstractContextManager
from pathlib import Path

from hostd.errors import Unavailable
from hostd.ledger.access import Access
from hostd.ledger.acm import Acm
from hostd.ledger.acme_accounts import AcmeAccounts
from hostd.ledger.alert_firings import AlertFirings
from hostd.ledger.alerts import Alerts
from hostd.ledger.app_setups import AppSetups
from hostd.ledger.apps import Apps
from hostd.ledger.authorizations import Authorizations
from hostd.ledger.build_outputs import BuildOutputs
from hostd.ledger.buildpacks import Buildpacks
from hostd.ledger.builds import Builds
from hostd.ledger.certificates import Certificates
from hostd.ledger.checks import Checks
from hostd.ledger.database import Clock, Database, utc_now
from hostd.ledger.domains import Domains
from hostd.ledger.drains import Drains
from hostd.ledger.features import Features
from hostd.ledger.formation import Formation
from hostd.ledger.gates import Gates
from hostd.ledger.happenings import Happenings
from hostd.ledger.https import HttpsSettings
from hostd.ledger.idling import Idling
from hostd.ledger.job_runs import JobRuns
from hostd.ledger.jobs import Jobs
from hostd.ledger.keys import Keys
from hostd.ledger.log_limits import LogLimitsTable
from hostd.ledger.masks import Masks
from hostd.ledger.pauses import Pauses
from hostd.ledger.pipelines import Pipelines
from hostd.ledger.promotions import Promotions
from hostd.ledger.releases import Releases
from hostd.ledger.slugs import Slugs
from hostd.ledger.stacks import StackVersions
from hostd.ledger.trail import Trail
from hostd.ledger.transfers import Transfers
from hostd.ledger.users import Users
from hostd.ledger.vault import Vault
from hostd.ledger.webhook_deliveries import WebhookDeliveries
from hostd.ledger.webhooks import Webhooks

DATABASE_FILE = "ledger.db"
KEY_FILE = "ledger.key"
UID_BASE = 200000


class Ledger:
    """Users, keys, apps, access, buildpacks, stacks, slugs, builds with outputs, releases, formations, jobs."""

    def __init__(self, database: Database, vault: Vault, *, uid_base: int = UID_BASE) -> None:
        self._database = database
        self.identity = vault.seal("the identity of this ledger")[:32]
        self.users = Users(database)
        self.keys = Keys(database, self.users)
        self.authorizations = Authorizations(database, self.users)
        self.releases = Releases(database, vault)
        self.apps = Apps(database, self.users, self.releases, uid_base=uid_base)
        self.access = Access(database, self.users, self.apps)
        self.transfers = Transfers(database, self.users, self.apps, self.access)
        self.trail = Trail(database)
        self.slugs = Slugs(database)
        self.stacks = StackVersions(database)
        self.builds = Builds(database)
        self.build_outputs = BuildOutputs(database)
        self.buildpacks = Buildpacks(database, self.apps)
        self.formation = Formation(database, self.apps)
        self.checks = Checks(database, self.apps)
        self.idling = Idling(database, self.apps)
        self.log_limits = LogLimitsTable(database, self.apps)
        self.domains = Domains(database, self.apps, self.access)
        self.certificates = Certificates(database, self.apps, vault)
        self.acm = Acm(database, self.apps)
        self.acme_accounts = AcmeAccounts(database, vault)
        self.https = HttpsSettings(database, self.apps)
        self.gates = Gates(database, self.apps)
        self.masks = Masks(database, self.apps)
        self.features = Features(database, self.apps, vault)
        self.pauses = Pauses(database, self.apps)
        self.drains = Drains(database, self.apps, vault)
        self.jobs = Jobs(database, self.apps)
        self.job_runs = JobRuns(database)
        self.alerts = Alerts(database, self.apps, vault)
        self.alert_firings = AlertFirings(database)
        self.pipelines = Pipelines(database, self.users, self.apps)
        self.happenings = Happenings(database)
        self.webhooks = Webhooks(database, self.apps, self.pipelines, vault)
        self.webhook_deliveries = WebhookDeliveries(database)
        self.promotions = Promotions(database)
        self.app_setups = AppSetups(database)

    @classmethod
    def open(cls, directory: Path, *, clock: Clock = utc_now, uid_base: int = UID_BASE) -> Ledger:
        """Open `directory`/ledger.db with `directory`/ledger.key, or make both (0600) in a directory without them.

        A ledger of an older hostd is brought up to date. Raises Unavailable, saying why, for one of a newer hostd,
        a missing or foreign key, and files that cannot be read or written.
        """
        path = directory / DATABASE_FILE
        try:
            directory.mkdir(mode=0o700, parents=True, exist_ok=True)
            fresh = not path.exists() or path.stat().st_size == 0
        except OSError as error:
            raise Unavailable(f"Cannot open the ledger in {directory}: {error.strerror}.") from error
        vault = Vault.open(directory / KEY_FILE, create=fresh)
        database = Database(path, clock=clock)
        try:
            _check_key(database, vault)
        except Unavailable:
            database.close()
            raise
        return cls(database, vault, uid_base=uid_base)

    def transaction(self) -> AbstractContextManager[None]:
        """All changes to any table within it happen together, or none; nests. Never await inside."""
        return self._database.transaction()

    def next(self, sequence: str) -> int:
        """A number of a named sequence, from 1, never given twice: for what must be ordered without clocks."""
        return self._database.next(f"named {sequence}")

    def backup(self, directory: Path) -> None:
        """Copy ledger.db, as it is at this moment, into another directory; ledger.key is not copied with it."""
        target = directory / DATABASE_FILE
        draft = directory / f".{DATABASE_FILE}.part"
        self._database.backup(draft)
        draft.replace(target)

    def close(self) -> None:
        """Close the ledger's file."""
        self._database.close()


def _check_key(database: Database, vault: Vault) -> None:
    # Without this a wrong key would show only when the first config is read, after it has sealed new rows.
    mark = vault.seal("the key of this ledger")
    known = database.first("SELECT mark FROM key_marks")
    if known is None:
        database.insert("key_marks", {"id": 1, "mark": mark})
    elif known["mark"] != mark:
        raise Unavailable(f"{KEY_FILE} is not the key of this {DATABASE_FILE}. Restore both from the same backup.")
