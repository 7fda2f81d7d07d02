"""Runs a module of this folder: `python3 -I run.py MODULE ARGUMENT...`.

Isolated mode keeps what the app brought out of Python's path, and this folder too, so that it is put there by hand.
"""

import runpy
import sys
from pathlib import Path

if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
    module = sys.argv.pop(1)
    runpy.run_module(f"runner.{module}", run_name="__main__", alter_sys=True)
