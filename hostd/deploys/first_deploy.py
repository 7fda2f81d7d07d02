"""The first deploy of an app: its app.json is read before the build, and is part of the first release."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import replace

from hostd import sizes
from hostd.app_json import Manifest, Wrong, parse
from hostd.app_json.first_deploy import Wishes, formation, wishes
from hostd.capacity import Capacity
from hostd.deploys import origins
from hostd.deploys.deploy import Deploy
from hostd.deploys.transcript import detail, problem, step
from hostd.errors import Invalid
from hostd.ledger import Ledger
from hostd.ledger.apps import HOST_STACK
from hostd.ledger.releases import Release
from hostd.names import config_changes
from slugs.build_unit import Output
from slugs.compiler import CompileRequest
from slugs.stacks import Stacks

NO_APP_JSON = "there is none at the top of the source, and it says what is to be set up"


class FirstDeploy:
    """One such deploy: hears of the app.json (`arrange`), then makes it part of the release (`config`, `record`)."""

    def __init__(self, deploy: Deploy, ledger: Ledger, stacks: Stacks, capacity: Capacity, say: Output) -> None:
        self._deploy = deploy
        self._ledger = ledger
        self._stacks = stacks
        self._capacity = capacity
        self._say = say
        self._manifest = Manifest()
        self._wishes: Wishes | None = None

    async def arrange(self, request: CompileRequest, content: bytes | None) -> CompileRequest:
        """Say how to build a source that has this app.json, or none. Raises Wrong, which is kept with a setup too."""
        setup = self._deploy.setup
        try:
            return await self._arrange(request, content)
        except Wrong as error:
            if setup is not None:
                setup.problems = error.problems
            raise

    async def _arrange(self, request: CompileRequest, content: bytes | None) -> CompileRequest:
        app, setup = self._deploy.app, self._deploy.setup
        if content is None:
            if setup is None:
                return request
            raise Wrong([NO_APP_JSON])
        self._manifest = manifest = parse(content)
        self._wishes = found = wishes(
            manifest,
            app=app.name,
            config=request.config,
            stack=app.stack,
            default_stack=HOST_STACK,
            stacks=self._stacks.names(),
            overrides=setup.env if setup is not None else None,
        )
        if setup is not None:
            setup.manifest = manifest
        await self._tell(found)
        stack = self._stacks.current(found.stack) if found.stack != app.stack else request.stack
        if stack is not request.stack:
            self._ledger.builds.learn(self._deploy.id, stack=stack.ref)
        packs = request.buildpacks if setup is None else self._packs()
        return replace(request, config=found.config, stack=stack, buildpacks=packs)

    def config(self, current: Release, suggested: Mapping[str, str]) -> dict[str, str]:
        """The config of the first release: the app's, what its app.json adds, then what its buildpacks suggest."""
        return with_suggested(current, suggested, self._wishes.config if self._wishes is not None else None)

    def record(self, types: Mapping[str, str]) -> None:
        """Make formation, stack and buildpacks the app's own; call it within the transaction of the release.

        Raises Invalid if there is no room for that formation.
        """
        ledger, app = self._ledger, self._deploy.app
        if self._wishes is None:
            return
        present = ledger.formation.get(app.id)
        wanted, _ = formation(self._manifest, types, present)
        before = ledger.formation.promised()
        ledger.formation.set(app.id, wanted)
        self._capacity.check(app.name, wanted, before, ledger.formation.promised())
        if self._wishes.stack != app.stack:
            ledger.apps.set_stack(app.id, self._wishes.stack)
        if self._deploy.setup is not None:
            ledger.buildpacks.replace(app.id, self._packs())

    async def tell_formation(self, types: Mapping[str, str]) -> None:
        """Say what the release will have, and what app.json names that this app does not have.

        Raises Wrong if there is no room for that.
        """
        wanted, unknown = formation(self._manifest, types, self._ledger.formation.get(self._deploy.app.id))
        before = self._ledger.formation.promised()
        asked = sum(process.quantity * sizes.get(process.size).memory for process in wanted)
        try:
            self._capacity.check(self._deploy.app.name, wanted, before, before + asked)
        except Invalid as error:
            raise Wrong([f"formation: {error}"]) from error
        if wanted:
            said = ", ".join(f"{process.type}={process.quantity}:{process.size}" for process in wanted)
            await self._say(detail(f"Formation -> {said}, from app.json"))
        for type_ in unknown:
            await self._say(problem(f"app.json: formation.{type_} is passed over: there is no such process type"))

    def _packs(self) -> tuple[str, ...]:
        setup = self._deploy.setup
        chosen = setup.buildpacks if setup is not None and setup.buildpacks else self._manifest.buildpacks
        try:
            return tuple(origins.buildpacks(chosen))
        except Invalid as error:
            raise Wrong([f"buildpacks: {error}"]) from error

    async def _tell(self, found: Wishes) -> None:
        notes = [*self._manifest.warnings, *found.notes]
        if self._manifest.postdeploy is not None and self._deploy.setup is None:
            notes.append(
                "scripts.postdeploy is run by apps:setup only. If this app needs it, run it yourself: hostctl run"
            )
        if found.added or self._manifest.formation or self._manifest.stack or notes:
            await self._say(step("Reading app.json, as this is the first deploy"))
        if found.added:
            await self._say(detail(f"Config vars that are set with this release: {', '.join(found.added)}"))
        if found.made:
            await self._say(detail(f"Secrets that were generated: {', '.join(found.made)}"))
        for note in notes:
            await self._say(problem(f"app.json: {note}"))


def with_suggested(
    current: Release, suggested: Mapping[str, str], config: Mapping[str, str] | None = None
) -> dict[str, str]:
    """An app's config, and for its first deploy what its buildpacks suggest where it has none.

    `config` is what comes in place of the current one. What an owner may not set, nor may they. Later deploys suggest
    nothing (Heroku's rule), or a variable that somebody unset would come back.
    """
    merged = dict(current.config if config is None else config)
    for key, value in suggested.items() if current.slug_id is None else ():
        if key not in merged:
            with suppress(Invalid):
                merged = config_changes(merged, {key: value})
    return merged
