"""How quick hostctl feels: `python3 benchmarks/cli.py [ROUNDS]`. Wall time of whole commands."""

from __future__ import annotations

import sys
import time

from kit import HEADER, app, hostctl, row


def main(rounds: int) -> None:
    print(HEADER)
    with app("hello-python") as made:
        made.push()
        for words in (["version"], ["ps", "-a", made.name], ["releases", "-a", made.name], ["config", "-a", made.name]):
            taken = []
            for _ in range(rounds):
                began = time.monotonic()
                hostctl(*words)
                taken.append(time.monotonic() - began)
            print(row(f"hostctl {words[0]}", taken, "under 150"))


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 21)
