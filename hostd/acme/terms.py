"""Terms: what the admin has set about the certificate authority."""

from __future__ import annotations

from dataclasses import dataclass

from hostd.acme.hook import Hook
from hostd.settings import Settings


@dataclass(frozen=True, slots=True)
class Terms:
    """The authority's address, a mail address for it, whether its terms are accepted, and the program for records in
    the DNS, None without one."""

    directory: str
    contact: str = ""
    accepted: bool = False
    hook: Hook | None = None

    @classmethod
    def of(cls, settings: Settings) -> Terms:
        """As the settings say."""
        program, user = settings.acme_dns_hook, settings.acme_dns_hook_user
        hook = Hook(program, user) if program else None
        return cls(settings.acme_directory, settings.acme_contact, settings.acme_terms_accepted, hook)

    @property
    def refusal(self) -> str | None:
        """Why nothing is got at all, for a sentence that goes on; None if something is."""
        if self.accepted:
            return None
        return (
            f"the terms of the certificate authority ({self.directory}) are not accepted: the server's admin can do "
            "that with acme_terms_accepted = true in /etc/hostd/hostd.toml, and ./install.sh"
        )
