"""The first admin, and their ssh key, through the API like everybody else's."""

from hostd.cli.client import Client, path
from hostd.errors import Conflict, NotFound


def ensure_admin(client: Client, email: str | None, default: str) -> str:
    """The e-mail address of the admin who is asked for, made if need be; else of the first one there is."""
    users = client.get("/hostd/users")
    admins = [str(user["email"]) for user in users if user.get("admin")]
    if email is None and admins:
        return admins[0]
    wanted = email or default
    if wanted not in [user["email"] for user in users]:
        client.request("POST", "/hostd/users", {"email": wanted, "admin": True})
    return wanted


def ensure_key(client: Client, public_key: str) -> bool:
    """Add a public key to the client's user; False if it was known already."""
    try:
        client.request("POST", "/account/keys", {"public_key": public_key})
    except Conflict:
        return False
    return True


def app_exists(client: Client, name: str) -> bool:
    """Whether there is an app of that name."""
    try:
        client.get(path("apps", name))
    except NotFound:
        return False
    return True
