"""What is made of an authority's answers, and of none. The server says what the test wants; a real one is pebble."""

import json
import socket
import threading
from contextlib import contextmanager
from datetime import timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from tls_kit import NOW

from hostd.acme.authority import Authority
from hostd.acme.failure import Failure
from hostd.acme.planner import Method
from hostd.certificates.pem import key_text
from hostd.certificates.requests import new_key, signing_request, subject_of

KEY = key_text(new_key())
REQUEST = signing_request(new_key(), subject_of(""), ["www.example.com"])
PROBLEM = "urn:ietf:params:acme:error:"


class Server(ThreadingHTTPServer):
    """Answers posts with what it is given: status, headers, body; the last for ever."""

    daemon_threads = True
    answers: list[tuple[int, dict[str, str], object]]
    posts = 0

    @property
    def at(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"


class Handler(BaseHTTPRequestHandler):
    def do_GET(self):
        self.say(200, {}, {name: f"{self.server.at}/{name}" for name in ("newNonce", "newAccount", "newOrder")})

    def do_HEAD(self):
        self.say(200, {}, None)

    def do_POST(self):
        self.rfile.read(int(self.headers["Content-Length"]))
        self.server.posts += 1
        answers = self.server.answers
        self.say(*(answers.pop(0) if len(answers) > 1 else answers[0]))

    def say(self, status, headers, body):
        text = b"" if body is None else body.encode() if isinstance(body, str) else json.dumps(body).encode()
        self.send_response(status)
        for name, value in {"Replay-Nonce": "bm9uY2U", "Content-Length": str(len(text)), **headers}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(text)

    def log_message(self, *_):
        """Silent."""


@contextmanager
def serving(*answers):
    with Server(("127.0.0.1", 0), Handler) as server:
        server.answers = list(answers)
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        try:
            yield server
        finally:
            server.shutdown()


def authority(server, account="https://acme.example/account/1"):
    return Authority(server.at, KEY, account, clock=lambda: NOW)


def problem(code, detail="Because.", **headers):
    return 403, headers, {"type": f"{PROBLEM}{code}", "detail": detail}


def order(server):
    made = authority(server)
    try:
        with pytest.raises(Failure) as failed:
            made.order(REQUEST)
        return failed.value
    finally:
        made.close()


def test_when_it_wants_to_be_asked_again_is_kept():
    with serving(problem("rateLimited", "too many new orders", **{"Retry-After": "120"})) as server:
        failure = order(server)
    assert (failure.reason, failure.general) == ("too many new orders (rateLimited)", False)
    assert failure.retry_at == NOW + timedelta(seconds=120)


def test_a_refused_nonce_is_no_failure_until_there_are_many():
    account = 201, {"Location": "https://acme.example/account/1"}, {"status": "valid"}
    bad = problem("badNonce")
    with serving(*[bad] * 9, account) as server:
        made = authority(server, None)
        assert made.register("kate@example.com") == "https://acme.example/account/1"
        made.close()
    with serving(bad) as server:
        failure = order(server)
        assert (failure.general, server.posts) == (True, 12)


def test_an_account_that_is_there_already_is_taken():
    known = 200, {"Location": "https://acme.example/account/1"}, {"status": "valid"}
    with serving(known) as server:
        made = authority(server, None)
        assert made.register("") == "https://acme.example/account/1"
        made.close()


@pytest.mark.parametrize(("answer", "said"), [
    ((500, {}, "<h1>sorry</h1>"), "gives no proper answer"),
    ((200, {}, "nothing"), "gives no proper answer"),
    ((200, {}, {"authorizations": 5}), "gives no proper answer"),
    (problem("serverInternal"), "Because (serverInternal)"),
])  # fmt: skip
def test_what_makes_no_sense_is_not_the_names_fault(answer, said):
    with serving(answer) as server:
        failure = order(server)
    assert failure.general
    assert said in failure.reason


@pytest.mark.parametrize(("name", "believed"), [
    ("www.example.com", True), ("example.org", True), ("*.example.org", False), ("other.example.com", False),
    ("$(reboot)", False), (["www.example.com"], False),
])  # fmt: skip
def test_a_proof_is_of_a_name_that_was_ordered(name, believed):
    request = signing_request(new_key(), subject_of(""), ["www.example.com", "*.example.org"])
    challenge = {"type": "dns-01", "url": "http://127.0.0.1/1", "token": "dG9rZW4" * 4, "status": "pending"}
    task = {"identifier": {"type": "dns", "value": name}, "status": "pending", "challenges": [challenge]}
    placed = 201, {"Location": "https://acme.example/order/1"}, {"status": "pending", "authorizations": ["TASK"]}
    with serving(placed, (200, {}, task)) as server:
        placed[2]["authorizations"] = [f"{server.at}/task"]
        made = authority(server)
        try:
            made.order(request)
            if believed:
                assert [proof.name for proof in made.proofs(Method.DNS)] == [name]
                return
            with pytest.raises(Failure, match="which was not ordered") as failed:
                made.proofs(Method.DNS)
            assert failed.value.general
        finally:
            made.close()


def test_one_that_is_not_there():
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        made = Authority(f"https://127.0.0.1:{closed.getsockname()[1]}/dir", KEY, None)
        with pytest.raises(Failure, match=r"cannot be reached: \[Errno 111\] Connection refused") as failed:
            made.register("")
        made.close()
    assert failed.value.general
