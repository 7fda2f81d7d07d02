"""What is asked of Heroku's CLI, in the order of a story, and what it must print: as it does at Heroku.

In braces: {app}, {renamed} and {other} are apps, {me} and {friend} mail addresses, {domain} a host name, {id} what the
command before it printed of that kind. Expressions are searched for in the output with lines joined as they are.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Case:
    """One command. `out` and `err` must be found in what it prints; `missing` says why it cannot work yet, or at all.
    With `own_words` the command ends as at Heroku, but the message is hostd's own.

    `keep` is an expression whose first group is kept under the name before its colon, for the commands that follow.
    """

    line: str
    out: str = ""
    err: str = ""
    status: int = 0
    keep: str = ""
    typed: str = ""
    terminal: bool = False
    missing: str = ""
    own_words: bool = False

    @property
    def words(self) -> list[str]:
        """The command line, with blanks within words written as ~."""
        return [word.replace("~", " ") for word in self.line.split()]


ACCOUNT = [
    Case("auth:whoami", r"^{me}$"),
    Case("auth:token", r"^HRKU-"),
    Case("auth:2fa", r"Two-factor authentication is not enabled"),
    Case("regions", r"ID +Location +Runtime[\s\S]*local +This server"),
    Case("status", r"Apps: +No known issues at this time\.\nData: +No known issues at this time\.\nTools: +No known"),
    Case("keys", r"{me} keys[\s\S]*ssh-ed25519"),
    Case("keys:add {key}", err=r"Uploading .* SSH key\.\.\. done"),
    Case("keys", r"ssh-ed25519 AAAAC3NzaC\.\.\.\S{{10}} compat\n"),
    Case("keys --long", r"ssh-ed25519 AAAA\S{{64}} compat\n"),
    Case("keys --json", r'"comment": "compat"'),
    Case("keys:remove compat", err=r"Removing compat SSH key\.\.\. done"),
    Case("authorizations:create -d compat --expires-in 600 -S", r"^HRKU-\S+$"),
    Case("authorizations", r"compat +[0-9a-f-]{{36}} +global", keep=r"id:compat +([0-9a-f-]{{36}})"),
    Case("authorizations:info {id}", r"Description: +compat\n[\s\S]*Scope: +global\nToken: +HRKU-"),
    Case("authorizations:update {id} -d renamed", err=r"Updating OAuth Authorization\.\.\. done"),
    Case("authorizations:rotate {id}", r"Token: +HRKU-", err=r"Rotating OAuth Authorization\.\.\. done"),
    Case(
        "authorizations:revoke {id}", err=r"Revoking OAuth Authorization\.\.\. done, revoked authorization from renamed"
    ),
    Case("sessions", r"No OAuth sessions\."),
    Case("clients", r"No OAuth clients\."),
    Case("teams", r"^ +Team +Role\s+─+\s*$"),
    Case("spaces", err=r"You do not have access to any spaces\.", status=2),
]
APPS = [
    Case("apps:create {app}", r"http://{app}\.\S+ \| \S+{app}\.git", err=r"Creating {app}\.\.\. done"),
    Case("apps", r"=== {me} Apps\n\n[\s\S]*{app} \(local\)\n"),
    Case(
        "apps:info -a {app}",
        r"=== {app}\n\nAuto Cert Mgmt: false\nGit URL: .*\nWeb URL: +http://{app}\.[\s\S]*Owner: +{me}\n",
    ),
    Case("apps:info --json -a {app}", r'"name": "{app}"'),
    Case("apps:info -s -a {app}", r"web_url=http://{app}\.\S+\n[\s\S]*owner={me}\n[\s\S]*dynos=\{{\}}\n"),
    Case(
        "apps:create {app}",
        err=r"Name {app} is already taken[\s\S]*Error ID: invalid_params",
        status=2,
        own_words=True,
    ),
    Case("apps:create {other} --no-remote", r"\| \S+{other}\.git", err=r"Creating {other}\.\.\. done"),
    Case(
        "apps:rename {renamed} -a {other}",
        r"http://{renamed}\.\S+ \| \S+{renamed}\.git",
        err=r"Renaming {other} to {renamed}\.\.\. done",
    ),
    Case("apps:stacks -a {app}", r"=== {app} Available Stacks\n\n\* \S+"),
    Case("git:remote -a {app}", r"set git remote heroku to https://\S+/{app}\.git"),
    Case("apps:destroy -a {renamed} -c {renamed}", err=r"Destroying {renamed} \(including all add-ons\)\.\.\. done"),
    Case("apps:info -a {renamed}", err=r"Couldn't find that app[\s\S]*Error ID: not_found", status=2),
]
CONFIG = [
    Case("config -a {app}", r"=== {app} Config Vars\n\n$"),
    Case(
        "config:set GREETING=hello~world OTHER=1 -a {app}",
        r"GREETING: hello world\nOTHER: +1\n",
        err=r"Setting GREETING, OTHER and restarting {app}\.\.\. done, v\d+",
    ),
    Case("config -a {app}", r"GREETING: hello world\nOTHER: +1\n"),
    Case("config -s -a {app}", r"GREETING='hello world'\nOTHER=1\n"),
    Case("config --json -a {app}", r'"GREETING": "hello world"'),
    Case("config:get GREETING -a {app}", r"^hello world\n$"),
    Case("config:unset OTHER -a {app}", err=r"Unsetting OTHER and restarting {app}\.\.\. done, v\d+"),
    Case("config:set 1X=1 -a {app}", err=r"Error ID: invalid_params", status=2),
]
BUILDPACKS = [
    Case("buildpacks -a {app}", r"{app} has no Buildpacks\."),
    Case("buildpacks:search python", r"heroku/python"),
    Case("buildpacks:info heroku/python", r"heroku/python"),
    Case("buildpacks:add no/such -a {app}", err=r"updates\[0\]\.buildpack is missing", status=2, own_words=True),
    Case("buildpacks:versions heroku/python", r"Version +Released At +Status"),
    Case("buildpacks:set heroku/python -a {app}", r"Buildpack set\. Next release on {app} will use heroku/python\."),
    Case(
        "buildpacks:add heroku/nodejs -a {app}",
        r"Next release on {app} will use:\n +1\. heroku/python\n +2\. heroku/nodejs",
    ),
    Case(
        "buildpacks -a {app}",
        r"=== {app} Classic Buildpacks \(from the Heroku Buildpack Registry\)\n\n1\. heroku/python\n2\. heroku/nodejs",
    ),
    Case(
        "buildpacks:remove heroku/nodejs -a {app}",
        r"Buildpack removed\. Next release on {app} will use heroku/python\.",
    ),
    Case("buildpacks:clear -a {app}", r"Buildpacks cleared\. Next release on {app} will detect buildpacks normally\."),
]
RELEASES = [
    Case("git:clone -a {app} {folder}/clone", err=r"^Cloning into '{folder}/clone'\.\.\.\n$"),
    Case("config:set AFTER=deploy -a {app}", err=r"and restarting {app}\.\.\. done, v\d+"),
    Case("releases -a {app}", r"=== {app} Releases - Current: v\d+\n\n[\s\S]*v\d+ +Deploy \S+ +\S+ +20"),
    Case("releases --json -a {app}", r'"version": \d+'),
    Case("releases:info -a {app}", r"=== Release v\d+\n\n[\s\S]*By: +{me}\nChange: +\S[\s\S]*When: "),
    Case("releases:info v2 -a {app}", r"=== Release v2\n"),
    Case("releases:output -a {app}", err=r"Release v\d+ has no release output available\."),
    Case("releases:rollback -a {app}", err=r"Rolling back {app} to v\d+\.\.\. done, v\d+"),
    Case("releases:rollback v9999 -a {app}", err=r"Error ID: not_found", status=2),
    Case("releases:retry -a {app}", err=r"App must have a release-phase command to use this command", status=2),
    Case("apps:diff {app} {app}", r"({app}|identical|property)"),
]
DYNOS = [
    Case("ps:wait -a {app}"),
    Case("ps -a {app}", r"=== web \(\S+\): python3? server\.py \(1\)\n\nweb\.1: up 20\S+ \S+ \+0000 \(~ \S+ ago\)"),
    Case("ps --json -a {app}", r'"name": "web\.1"'),
    Case("ps:scale -a {app}", r"^web=1:\S+\n$"),
    Case("ps:scale web=2 -a {app}", err=r"Scaling dynos\.\.\. done, now running web at 2:\S+"),
    Case("ps:scale web-1 -a {app}", err=r"now running web at 1:\S+"),
    Case(
        "ps:scale nothing=1 -a {app}",
        err=r"There is no process type 'nothing'[\s\S]*Error ID: invalid_params",
        status=2,
        own_words=True,
    ),
    Case("ps:type -a {app}", r"=== Process Types\n\n +type +size +qty +cost/hour[\s\S]*web +Standard-1X +1"),
    Case("ps:type web=standard-2x -a {app}", r"web +Standard-2X +1", err=r"Scaling dynos on {app}\.\.\. done"),
    Case("ps:restart -a {app}", err=r"Restarting all dynos on {app}\.\.\. done"),
    Case("ps:wait -a {app}"),
    Case("ps:restart -d web.1 -a {app}", err=r"Restarting dyno web\.1 on {app}\.\.\. done"),
    Case("ps:restart -p web -a {app}", err=r"Restarting all web dynos on {app}\.\.\. done"),
    Case("ps:wait -a {app}"),
    Case("ps:stop -d web.1 -a {app}", err=r"Stopping dyno web\.1 on {app}\.\.\. done"),
    Case("ps:wait -a {app}"),
    Case(
        "run -a {app} echo~one~two;~exit~3",
        r"^one two\n$",
        err=r"Running echo one two; exit 3 on {app}\.\.\. up, run\.\d+",
    ),
    Case("run -x -a {app} echo~one;~(exit~3)", r"^one\n$", status=3),
    Case("run -x -a {app} true"),
    Case("run --no-tty -x -a {app} cat;~tty", r"^typed here\nnot a tty\n$", status=1, typed="typed here\n"),
    Case("run -a {app} stty~size;~test~-t~0~&&~echo~$TERM", r"\b33 101\b[\s\S]*xterm", terminal=True),
    Case("run -s standard-2x -e NAME=value -a {app} echo~$NAME", r"^value\n$"),
    Case("ps -a {app}", r"^=== web [^=]*$"),
    Case("ps:wait -R -a {app}"),
    Case("run:inside web.1 -a {app} echo~$DYNO", r"^web\.1\n"),
    Case(
        "run:detached -a {app} echo~said~detached",
        err=r"Running echo said detached on {app}\.\.\. done, run\.\d+",
        out=r"heroku logs --app {app} --dyno",
    ),
    Case("logs -a {app} -n 200", r"20\S+ app\[run\.\d+\]: said detached\n"),
    Case("logs -a {app} -n 1", r"^20\S+ \w+\[\S+\]: [^\n]*\n$"),
    Case("logs -a {app} -s heroku -d web.1", r"heroku\[web\.1\]: State changed from starting to up"),
    Case("logs -a {app} -p web -n 500", r"heroku\[web\.1\]"),
    Case("logs -a {app} --force-colors -n 5", r"\["),
]
NETWORK = [
    Case("certs -a {app}", r"{app} has no SSL certificates"),
    Case(
        "certs:add {certificate} {private} -a {app}",
        r"Certificate details:",
        err=r"Adding SSL certificate to {app}\.\.\. done",
    ),
    Case("certs -a {app}", r"Name +Common Name\(s\)[\s\S]*{domain}"),
    Case("certs:info -a {app}", r"Common Name\(s\): +{domain}", err=r"Fetching SSL certificate"),
    Case("certs:update {certificate} {private} -a {app} --confirm {app}", err=r"Updating SSL certificate"),
    Case("certs:remove -a {app} --confirm {app}", err=r"Removing SSL certificate .*\.\.\. done"),
    Case("certs:auto -a {app}", r"Automatic Certificate Management is disabled on {app}"),
    Case("certs:auto:enable -a {app}", err=r"The terms of the certificate authority", status=2, own_words=True),
    Case("certs:auto:disable -a {app} --confirm {app}", err=r"Disabling Automatic Certificate Management\.\.\. done"),
    Case("domains -a {app}", r"=== {app} Heroku Domain\n\n{app}\.\S+"),
    Case(
        "domains:add {domain} -a {app}",
        r"Configure your app's DNS provider to point to the DNS Target \S+",
        err=r"Adding {domain} to {app}\.\.\. done",
    ),
    Case("domains -a {app}", r"=== {app} Custom Domains\n\n[\s\S]*{domain}"),
    Case("domains --json -a {app}", r'"hostname": "{domain}"'),
    Case("domains:info {domain} -a {app}", r"hostname: +{domain}"),
    Case("domains:wait {app}.localhost -a {app}"),
    Case("domains:remove {domain} -a {app}", err=r"Removing {domain} from {app}\.\.\. done"),
    Case("domains:clear -a {app}", err=r"Removing all domains from {app}\.\.\. done"),
    Case("drains -a {app}", r"^\s*$"),
    Case(
        "drains:add syslog+tls://logs.example.com:6514 -a {app}",
        r"Successfully added drain syslog\+tls://logs\.example\.com:6514",
    ),
    Case("drains -a {app}", r"=== Drains\n\nsyslog\+tls://logs\.example\.com:6514 \(d\.[0-9a-f-]+\)"),
    Case(
        "drains:remove syslog+tls://logs.example.com:6514 -a {app}",
        r"Successfully removed drain syslog\+tls://logs\.example\.com:6514",
    ),
    Case("maintenance -a {app}", r"^off\n"),
    Case("maintenance:on -a {app}", err=r"Enabling maintenance mode for {app}\.\.\. done"),
    Case("maintenance -a {app}", r"^on\n"),
    Case("maintenance:off -a {app}", err=r"Disabling maintenance mode for {app}\.\.\. done"),
]
PEOPLE = [
    Case("access -a {app}", r"{me} +owner"),
    Case("access:add {friend} -a {app}", err=r"Adding {friend} access to the app {app}\.\.\. done"),
    Case("access -a {app}", r"{friend} +collaborator"),
    Case("access:add nobody@example.com -a {app}", err=r"Error ID: (not_found|invalid_params)", status=2),
    Case("access:remove {friend} -a {app}", err=r"Removing {friend} access from the app {app}\.\.\. done"),
    Case("apps:transfer {friend} -a {app}", err=r"Initiating transfer of {app} to {friend}\.\.\. (email sent|done)"),
]
FEATURES = [
    Case("features -a {app}", r"=== App Features {app}\n\n[\s\S]*\[ \] session-affinity  \S"),
    Case("features:info session-affinity -a {app}", r"=== session-affinity\n\nDescription: "),
    Case("features:enable session-affinity -a {app}", err=r"Enabling session-affinity for {app}\.\.\. done"),
    Case("features:enable session-affinity -a {app}", err=r"session-affinity is already enabled", status=1),
    Case("features:disable session-affinity -a {app}", err=r"Disabling session-affinity for {app}\.\.\. done"),
    Case("features:info preboot -a {app}", err=r"preboot is always on here", status=2, own_words=True),
    Case("labs -a {app}", r"=== User Features {me}"),
    Case("addons -a {app}", r"No add-ons for app {app}\."),
    Case("addons -A", r"^No add-ons\.\n$"),
    Case("addons:services", r"Slug +Name +State"),
    Case(
        "addons:plans nothing",
        err=r"Couldn't find the add-on service 'nothing'[\s\S]*Error ID: not_found",
        status=2,
        own_words=True,
    ),
    Case(
        "addons:create nothing -a {app}",
        err=r"Couldn't find the add-on service 'nothing'[\s\S]*Error ID: not_found",
        status=2,
        own_words=True,
    ),
    Case("telemetry -a {app}", r"There are no telemetry drains in {app}"),
    Case("local:version", r"^\d+\.\d+\.\d+"),
]
WEBHOOKS = [
    Case("webhooks -a {app}", r"{app} has no webhooks"),
    Case("webhooks:add -i api:release -l notify -u https://example.com/hook -a {app}", r"=== Webhooks Signing Secret"),
    Case("webhooks -a {app}", r"https://example\.com/hook +api:release +notify", keep=r"id:([0-9a-f-]{{36}})"),
    Case("webhooks:info {id} -a {app}", r"https://example\.com/hook"),
    Case(
        "webhooks:update {id} -i api:release,api:build -l sync -u https://example.com/other -a {app}",
        err=r"Updating webhook {id} for {app}\.\.\. done",
    ),
    Case("webhooks:deliveries -a {app}", r"{app} has no deliveries"),
    Case("webhooks:events -a {app}", r"{app} has no events"),
    Case("webhooks:remove {id} -a {app}", err=r"Removing webhook {id} from {app}\.\.\. done"),
]
PIPELINES = [
    Case("pipelines", r"=== My Pipelines|No pipelines"),
    Case("pipelines:create {app}-line -s staging -a {app}", err=r"Creating {app}-line pipeline\.\.\. done"),
    Case("apps:create {other} --no-remote", err=r"Creating {other}\.\.\. done"),
    Case("pipelines:add {app}-line -s staging -a {other}", err=r"Adding {other} to {app}-line pipeline as staging"),
    Case("pipelines:update -s production -a {other}", err=r"Changing {other} to production\.\.\. done"),
    Case("pipelines:info {app}-line", r"=== {app}-line[\s\S]*{app} +staging[\s\S]*{other} +production"),
    Case("pipelines", r"=== My Pipelines\n\n[\s\S]*{app}-line"),
    Case("apps:info -a {app}", r"Pipeline: +{app}-line - staging"),
    Case("webhooks -p {app}-line", r"{app}-line has no webhooks"),
    Case(
        "webhooks:add -i api:release -l notify -u https://hook.invalid/line -p {app}-line",
        r"=== Webhooks Signing Secret",
        err=r"Adding webhook to {app}-line\.\.\. done",
    ),
    Case(
        "webhooks -p {app}-line",
        r"https://hook\.invalid/line +api:release +notify",
        keep=r"hook:([0-9a-f]{{8}}-[0-9a-f-]{{27}})",
    ),
    Case("webhooks:info {hook} -p {app}-line", r"https://hook\.invalid/line"),
    Case(
        "webhooks:update {hook} -i api:release -l sync -u https://hook.invalid/other -p {app}-line",
        err=r"Updating webhook {hook} for {app}-line\.\.\. done",
    ),
    Case("webhooks:events -p {app}-line", r"{app}-line has no events"),
    Case("pipelines:promote -a {app}", r"Promotion successful[\s\S]*{other}: succeeded"),
    Case("releases -a {other}", r"Promote {app} v\d+"),
    Case(
        "webhooks:deliveries -p {app}-line",
        r"api:release +sync",
        keep=r"delivery:([0-9a-f]{{8}}-[0-9a-f-]{{27}})",
    ),
    Case("webhooks:deliveries:info {delivery} -p {app}-line", r'"name": "{other}"'),
    Case("webhooks:events -p {app}-line", r"release +create", keep=r"event:([0-9a-f]{{8}}-[0-9a-f-]{{27}})"),
    Case("webhooks:events:info {event} -p {app}-line", r'"resource": "release"'),
    Case("webhooks:deliveries -a {other}", r"{other} has no deliveries"),
    Case("webhooks:remove {hook} -p {app}-line", err=r"Removing webhook {hook} from {app}-line\.\.\. done"),
    Case("pipelines:rename {app}-line {app}-way", err=r"Renaming {app}-line pipeline to {app}-way\.\.\. done"),
    Case("pipelines:remove -a {other}", err=r"Removing {other}\.\.\. done"),
    Case("pipelines:remove -a {app}", err=r"Removing {app}\.\.\. done"),
    Case(
        "pipelines:transfer {friend} -p {app}-way -c {app}-way",
        err=r"Transferring {app}-way pipeline to the {friend} account\.\.\. done",
    ),
    Case("pipelines:create {app}-end -s staging -a {app}", err=r"Creating {app}-end pipeline\.\.\. done"),
    Case("pipelines:destroy {app}-end", err=r"Destroying {app}-end pipeline\.\.\. done"),
]
FAREWELL = [
    Case("local:run echo here", r"here"),
    Case("apps:destroy -a {other} -c {other}", err=r"Destroying {other} \(including all add-ons\)\.\.\. done"),
    Case("apps:destroy -a {app} -c {app}", err=r"Destroying {app} \(including all add-ons\)\.\.\. done"),
]
STORY = [*ACCOUNT, *APPS, *CONFIG, *BUILDPACKS]
DEPLOYED = [*RELEASES, *DYNOS, *NETWORK, *PEOPLE, *FEATURES, *WEBHOOKS, *PIPELINES]
