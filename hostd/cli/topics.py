"""The topics of commands, the word before the colon: in which part of the help each stands, and what it is about.

A table of its own, so that `hostctl help` needs no command's module.
"""

from __future__ import annotations

GROUPS: dict[str, dict[str, str]] = {
    "Apps": {
        "apps": "create apps, look at them, rename, open, transfer, destroy",
        "access": "who else may work on an app, and a password before it",
        "config": "config vars",
        "addons": "databases and the like beside an app; there are none yet",
        "features": "what can be switched on and off for an app",
        "labs": "the same, still on trial",
        "maintenance": "a page that says the app will be back",
    },
    "Deploying": {
        "deploy": "deploy a directory or a tarball",
        "git": "git remotes; deploying from a repository elsewhere",
        "builds": "what was built, how, and what it printed",
        "buildpacks": "what builds an app",
        "releases": "what was released, by whom; going back",
        "slugs": "the files of releases",
        "pipelines": "apps one after the other on the way to production",
        "cache": "what builds keep for the next one",
        "stack": "what an app is built for and runs on",
        "stacks": "the stacks of this server",
    },
    "Dynos": {
        "ps": "the dynos of an app: scale, restart, stop, get into one",
        "run": "a command once, in a dyno of its own or in one that runs",
        "schedule": "commands at set times",
        "checks": "when a web dyno is taken for well",
    },
    "Looking": {
        "logs": "everything an app, the router and the platform said",
        "drains": "sending logs on",
        "metrics": "memory, processor, requests, response times",
        "alerts": "being told when something goes wrong",
        "audit": "who changed what",
        "webhooks": "telling other programs what happens to an app",
    },
    "Domains and https": {
        "domains": "the names an app answers to",
        "certs": "certificates, also those that come by themselves",
        "https": "sending browsers to https",
        "router": "pausing requests, masking the log",
    },
    "You and others": {
        "auth": "log in and out, who you are, a token for a program",
        "authorizations": "tokens",
        "sessions": "logins by a browser",
        "keys": "ssh keys",
        "users": "the users of this server",
    },
    "Here": {
        "heroku": "Heroku's own command line, against this server",
        "local": "run an app on your own machine",
        "status": "whether all parts of hostd are well",
        "regions": "where apps can run",
        "version": "versions of this program and of the server",
        "box": "the box, on machines without systemd",
        "completion": "words and flags by the tab key",
        "help": "this help",
    },
}

OTHERS = "More"


def grouped(topics: list[str]) -> dict[str, list[tuple[str, str]]]:
    """Those topics with what they are about, in their groups; one that is in no group comes last, unexplained."""
    known = {topic for group in GROUPS.values() for topic in group}
    found = {
        title: [(topic, about) for topic, about in group.items() if topic in topics] for title, group in GROUPS.items()
    }
    found[OTHERS] = [(topic, "") for topic in topics if topic not in known]
    return {title: group for title, group in found.items() if group}
