"""How long until a change is live: `python3 benchmarks/deploy.py [ROUNDS]`.

Push: from starting `git push` to the first page of the new release, dependencies unchanged. Config: from
starting `hostctl config:set` to the first page of the new release. Buildpack: its own time when
nothing that it installs has changed.
"""

from __future__ import annotations

import sys
import time

from kit import HEADER, app, hostctl, row


def main(rounds: int) -> None:
    print(HEADER)
    for example in ("hello-python", "guestbook-flask"):
        with app(example) as made:
            made.push()
            made.wait_for("v2")
            version = 2
            pushes, live = [], []
            for _ in range(rounds):
                version += 1
                began = time.monotonic()
                made.push()
                pushes.append(time.monotonic() - began)
                made.wait_for(f"v{version}")
                live.append(time.monotonic() - began)
            config = []
            for number in range(rounds):
                version += 1
                began = time.monotonic()
                hostctl("config:set", f"ROUND={number}", "-a", made.name)
                made.wait_for(f"v{version}")
                config.append(time.monotonic() - began)
        print(row(f"{example}: push until git returns", pushes))
        print(row(f"{example}: push until first answer", live, "under 3000"))
        print(row(f"{example}: config:set until live", config, "under 1500"))
    for example in ("guestbook-flask", "visitors-express"):
        with app(example) as made:
            made.push()
            print(row(f"{example}: buildpack, again", [made.push_timed() for _ in range(rounds)], "under 2000"))


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 9)
