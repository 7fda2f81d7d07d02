"""Hook: the admin's program that makes and removes records in the DNS, for proofs by DNS-01."""

from __future__ import annotations

import pwd
from dataclasses import dataclass

from hostd.acme.failure import Failure, readable
from units.run import CommandError, CommandTimeout, arun

SECONDS = 300
"""What the program may take, waiting included until the servers of the zone have the record."""
MOST_LINES = 20
_ENVIRONMENT = {"PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "HOME": "/nonexistent"}


@dataclass(frozen=True, slots=True)
class Hook:
    """A program, and the user as whom it runs.

    It is called as `PROGRAM add NAME VALUE`, and `PROGRAM remove NAME VALUE` when the record of type TXT at that name
    is not needed any more. There may be other records at the same name, which must stay. VALUE may begin with `-`.
    """

    program: str
    user: str

    async def add(self, name: str, value: str) -> None:
        """Have the record made; when that returns, everybody can see it. Raises Failure."""
        await self._call("add", name, value)

    async def remove(self, name: str, value: str) -> None:
        """Have the record removed. Raises Failure."""
        await self._call("remove", name, value)

    async def _call(self, *words: str) -> None:
        # Nothing of root's goes along: no group, no capability, no way to get one, no variable.
        try:
            user = pwd.getpwnam(self.user)
        except KeyError as error:
            raise Failure(f"there is no user {self.user} to run {self.program}: see acme_dns_hook_user") from error
        become = [f"--reuid={user.pw_uid}", f"--regid={user.pw_gid}", "--init-groups", "--inh-caps=-all"]
        argv = ["setpriv", *become, "--no-new-privs", "--", self.program, *words]
        try:
            done = await arun(argv, env=_ENVIRONMENT, timeout=SECONDS, check=False)
        except CommandTimeout as error:
            raise Failure(f"the program {self.program} did not end within {SECONDS} seconds") from error
        except (CommandError, OSError) as error:
            raise Failure(f"the program {self.program} cannot be run: {error}") from error
        if done.returncode != 0:
            said = (done.stdout + done.stderr).decode(errors="replace").splitlines()
            lines = [line for line in map(readable, said) if line][-MOST_LINES:]
            why = f"ended with status {done.returncode}" + (f": {lines[-1]}" if lines else "")
            raise Failure(f"the program {self.program} {words[0]} {why}", output=lines)
