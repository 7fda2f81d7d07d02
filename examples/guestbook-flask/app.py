"""A guestbook in Flask: a page that people sign, kept in the memory of one dyno and honest about it."""

import os
import threading
from collections import deque
from datetime import datetime, timezone

from flask import Flask, redirect, render_template, request, url_for

MAX_ENTRIES = 100

app = Flask(__name__)
entries = deque(maxlen=MAX_ENTRIES)
lock = threading.Lock()


@app.get("/")
def show():
    with lock:
        newest_first = list(reversed(entries))
    return render_template(
        "guestbook.html",
        greeting=os.environ.get("GREETING", "Welcome!"),
        entries=newest_first,
        dyno=os.environ.get("DYNO", "your own machine"),
        release=os.environ.get("HOSTD_RELEASE", "no release"),
    )


@app.post("/")
def sign():
    name = request.form.get("name", "").strip()[:50] or "Somebody"
    text = request.form.get("text", "").strip()[:500]
    if text:
        when = datetime.now(timezone.utc).strftime("%Y-%m-%d %H:%M")
        with lock:
            entries.append({"name": name, "text": text, "when": when})
        print(f"{name} signed the guestbook", flush=True)
    return redirect(url_for("show"), code=303)
