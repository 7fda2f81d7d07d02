"""A process beside the web: logs that it is alive, every few seconds, until it is told to stop."""

import itertools
import os
import signal
import threading

INTERVAL = float(os.environ.get("HEARTBEAT_SECONDS", "10"))

stopped = threading.Event()
signal.signal(signal.SIGTERM, lambda signum, frame: stopped.set())

for beat in itertools.count(1):
    print(f"heartbeat {beat} from {os.environ.get('DYNO', 'worker')}", flush=True)
    if stopped.wait(INTERVAL):
        break
print("worker stopped", flush=True)
