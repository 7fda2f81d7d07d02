"""Whose something is that runs for a client: a user's, or a user's with one of their tokens. Pure.

What runs keeps this as one text, so that it ends with the token it was begun with, and at the latest with the user.
"""

from __future__ import annotations

_BETWEEN = "/"


def holder(user_id: str, authorization_id: str | None = None) -> str:
    """The text for a user, or for a user with the token of an authorization."""
    return user_id if authorization_id is None else f"{user_id}{_BETWEEN}{authorization_id}"


def user_of(holder: str) -> str:
    """The id of the user in such a text."""
    return holder.partition(_BETWEEN)[0]


def belongs(held: str | None, owner: str) -> bool:
    """Whether what is `held` is the owner's: a user's is also all that is theirs with a token."""
    return held is not None and owner in (held, user_of(held))
