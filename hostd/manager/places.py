"""Places for dynos: an address of the dyno's own, used again as late as possible, and the one port of all dynos."""

from __future__ import annotations

from hostd.errors import Unavailable
from hostd.manager.dyno import Place
from units.network import NetworkError, Networks


class Places:
    """Hands out places. A route that is out of date leads to nobody, rather than to another app's dyno."""

    def __init__(self, networks: Networks, port: int) -> None:
        self._networks = networks
        self._port = port

    def take(self) -> Place:
        """A place that nobody has. Raises Unavailable when there is none."""
        try:
            return Place(self._networks.reserve(), self._port)
        except NetworkError as error:
            raise Unavailable(f"{error} in /etc/hostd/hostd.toml, run ./install.sh again") from error

    def give_back(self, place: Place) -> None:
        """Return a place whose dyno is gone, or was never started."""
        self._networks.give_back(place.address)
