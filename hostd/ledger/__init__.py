"""The ledger: the only truth about intent. One SQLite file, one module per noun, one writer."""

from hostd.ledger.access import Access, Collaborator, Right
from hostd.ledger.apps import App, Apps
from hostd.ledger.build_outputs import BuildOutput, BuildOutputs
from hostd.ledger.buildpacks import Buildpacks
from hostd.ledger.builds import Build, Builds, BuildStatus
from hostd.ledger.certificates import Certificate, Certificates
from hostd.ledger.domains import Domain, Domains
from hostd.ledger.formation import Formation, Process
from hostd.ledger.gates import Gate, Gates, GateUser
from hostd.ledger.https import Hsts, Https, HttpsSettings
from hostd.ledger.idling import Idle, Idling
from hostd.ledger.job_runs import JobRun, JobRuns
from hostd.ledger.jobs import CatchUp, Job, Jobs
from hostd.ledger.keys import Key, Keys, KeyTaken
from hostd.ledger.ledger import Ledger
from hostd.ledger.releases import Output, Problem, Release, Releases
from hostd.ledger.slugs import Slug, Slugs, Use
from hostd.ledger.stacks import StackMove, StackVersion, StackVersions
from hostd.ledger.users import User, Users

__all__ = [
    "Access",
    "App",
    "Apps",
    "Build",
    "BuildOutput",
    "BuildOutputs",
    "BuildStatus",
    "Buildpacks",
    "Builds",
    "CatchUp",
    "Certificate",
    "Certificates",
    "Collaborator",
    "Domain",
    "Domains",
    "Formation",
    "Gate",
    "GateUser",
    "Gates",
    "Hsts",
    "Https",
    "HttpsSettings",
    "Idle",
    "Idling",
    "Job",
    "JobRun",
    "JobRuns",
    "Jobs",
    "Key",
    "KeyTaken",
    "Keys",
    "Ledger",
    "Output",
    "Problem",
    "Process",
    "Release",
    "Releases",
    "Right",
    "Slug",
    "Slugs",
    "StackMove",
    "StackVersion",
    "StackVersions",
    "Use",
    "User",
    "Users",
]
