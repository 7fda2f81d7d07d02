"""What every request and every answer passes through."""

import asyncio
import gzip
import json
import uuid

import pytest
from api_fakes import running_api

from hostd.api.limits import Quota
from hostd.api.middlewares import acceptable, matches, takes_gzip
from hostd.api.requests import DEEPEST, QUOTA, too_deep
from hostd.api.revoking import ATTENDED

V3 = "application/vnd.heroku+json; version=3"


async def test_an_answer_has_the_id_of_its_request(tmp_path):
    async with running_api(tmp_path) as api:
        own = "5b6bd2d4-9e6d-4a4b-8f5e-0c8d8f2f5f5e"
        for path, status in (("/account", 200), ("/apps/nowhere", 404), ("/nowhere", 404)):
            brought = await api.with_token(api.token(), "GET", path, headers={"Request-Id": own})
            assert (brought.status, brought.headers["Request-Id"]) == (status, own)
        for given in (f"{own},{own}", "x", "a b c d e f g h", "<script>alert(1)</script>"):
            made = (await api.with_token(None, "GET", "/account", headers={"Request-Id": given})).headers["Request-Id"]
            assert str(uuid.UUID(made)) == made != own


async def test_answers_are_not_for_caches_and_do_not_say_what_they_are_made_with(tmp_path):
    async with running_api(tmp_path) as api:
        headers = (await api.with_token(api.token(), "GET", "/account")).headers
        assert (headers["Cache-Control"], headers["Server"]) == ("private, no-cache", "hostd")
        assert headers["X-Content-Type-Options"] == "nosniff"


async def test_calls_with_tokens_are_counted_and_those_at_the_socket_are_not(tmp_path):
    async with running_api(tmp_path) as api:
        api.application[QUOTA]._calls = 4500
        token = api.token()
        left = [int((await api.with_token(token, "GET", "/account")).headers["RateLimit-Remaining"]) for _ in range(3)]
        assert left == [4499, 4498, 4497]
        asked = await api.with_token(token, "GET", "/account/rate-limits")
        assert asked.data == {"remaining": 4497} and asked.headers["RateLimit-Remaining"] == "4497"
        assert "RateLimit-Remaining" not in (await api("GET", "/account")).headers
        assert (await api("GET", "/account/rate-limits")).data == {"remaining": 4497}


async def test_too_many_calls_are_refused(tmp_path, monkeypatch):
    monkeypatch.setattr("hostd.api.application.Quota", lambda clock: Quota(lambda: 0.0, calls=2))
    async with running_api(tmp_path) as api:
        token, other = api.token(), api.token()
        assert [(await api.with_token(token, "GET", "/apps")).status for _ in range(3)] == [200, 200, 429]
        refused = await api.with_token(other, "GET", "/apps")
        assert (refused.status, refused.data["id"]) == (429, "rate_limit")
        assert (refused.headers["Retry-After"], refused.headers["RateLimit-Remaining"]) == ("1800", "0")
        assert (await api.with_token(api.token("ann"), "GET", "/apps")).status == 200
        assert (await api("GET", "/apps")).status == 200
        assert (await api.with_token(token, "GET", "/account/rate-limits")).data == {"remaining": 0}


async def test_a_post_can_be_another_method(tmp_path):
    async with running_api(tmp_path) as api:
        token, header = api.token(), "X-Http-Method-Override"
        api.ledger.apps.create("hello", api.users["you"].id)
        changed = await api.with_token(token, "POST", "/apps/hello", {"maintenance": True}, headers={header: "PATCH"})
        assert (changed.status, changed.data["maintenance"]) == (200, True)
        assert (await api.with_token(token, "POST", "/apps/hello", headers={header: "get"})).data["name"] == "hello"
        assert (await api.with_token(token, "GET", "/apps/hello", headers={header: "DELETE"})).status == 200
        for wrong in ("HEAD", "TRACE", "x"):
            assert (await api.with_token(token, "POST", "/apps/hello", headers={header: wrong})).status == 400
        assert (await api.with_token(token, "POST", "/apps/hello", headers={header: "PUT"})).status == 405
        small = api.token("you", "read")
        assert (await api.with_token(small, "POST", "/apps/hello", headers={header: "DELETE"})).status == 403
        assert (await api.with_token(small, "POST", "/apps/hello", headers={header: "GET"})).status == 200
        assert (await api.with_token(token, "POST", "/apps/hello", headers={header: "DELETE"})).status == 200
        assert (await api("GET", "/apps")).data == []


async def test_what_a_client_has_already_is_not_sent_again(tmp_path):
    async with running_api(tmp_path) as api:
        token = api.token()
        tag = (await api.with_token(token, "GET", "/account")).headers["ETag"]
        again = await api.with_token(token, "GET", "/account", headers={"If-None-Match": f'"x", {tag}'})
        assert (again.status, again.data, again.headers["ETag"]) == (304, b"", tag)
        assert "Request-Id" in again.headers
        await api("PATCH", "/account", {"name": "Somebody"})
        assert (await api.with_token(token, "GET", "/account", headers={"If-None-Match": tag})).status == 200
        assert "ETag" not in (await api.with_token(token, "GET", "/apps/nowhere")).headers
        assert "ETag" not in (await api.with_token(token, "PATCH", "/account", {})).headers


async def test_what_is_long_is_packed_for_who_takes_it_so(tmp_path):
    async with running_api(tmp_path) as api:
        token = api.token()
        for number in range(9):
            api.ledger.apps.create(f"app-{number}", api.users["you"].id)
        plain = await api.with_token(token, "GET", "/apps", headers={"Accept-Encoding": "identity"})
        packed = await api.with_token(token, "GET", "/apps", headers={"Accept-Encoding": "gzip, deflate"})
        assert plain.headers["Vary"] == packed.headers["Vary"] == "Accept-Encoding"
        assert packed.headers["Content-Encoding"] == "gzip" and "Content-Encoding" not in plain.headers
        assert packed.data == plain.data and len(plain.data) == 9
        short = await api.with_token(token, "GET", "/account", headers={"Accept-Encoding": "gzip"})
        assert "Content-Encoding" not in short.headers


async def test_version_3_and_no_other(tmp_path):
    async with running_api(tmp_path) as api:
        refused = await api.with_token(api.token(), "GET", "/account", headers={"Accept": V3.replace("3", "2")})
        assert (refused.status, refused.data["id"]) == (406, "not_acceptable")
        assert V3 in refused.data["message"]


@pytest.mark.parametrize(
    ("accept", "wanted"),
    [
        ([], True),
        ([""], True),
        (["*/*"], True),
        ([V3], True),
        ([f"{V3}.sdk"], True),
        ([f"{V3}.account-quotas"], True),
        (["application/vnd.heroku+json"], True),
        (['application/vnd.heroku+json;version="3"'], True),
        (["application/vnd.heroku+json; version=2"], False),
        (["application/vnd.heroku+json; version=30"], False),
        (["application/vnd.heroku+json; version=edge"], False),
        (["application/vnd.heroku+json; version=2, */*"], True),
        (["application/vnd.heroku+json; version=2", V3], True),
        (["text/plain"], True),
    ],
)
def test_accept(accept, wanted):
    assert acceptable(accept) is wanted


def test_gzip_and_tags():
    assert [takes_gzip(text) for text in ("gzip", "br;q=1, gzip;q=0.5", "*", "GZIP")] == [True] * 4
    assert [takes_gzip(text) for text in ("", "identity", "gzip;q=0", "gzip; q=0.0", "gzipped")] == [False] * 5
    assert [matches(text, 'W/"a"') for text in ('"a"', 'W/"a"', "*", '"b", W/"a"')] == [True] * 4
    assert [matches(text, 'W/"a"') for text in ("", "a", '"b"')] == [False] * 3


async def test_a_fault_of_ours_has_a_number_and_nothing_else(tmp_path, caplog):
    async with running_api(tmp_path) as api:
        app = api.ledger.apps.create("hello", api.users["you"].id)
        token = api.token()
        api.manager.dynos = lambda app_id: 1 / 0
        answer = await api.with_token(token, "GET", f"/apps/{app.name}/dynos")
        assert (answer.status, answer.data["id"]) == (500, "internal_server_error")
        assert answer.data["message"].endswith(f"-g {answer.headers['Request-Id']}")
        assert "division" not in str(answer.data)
        assert answer.headers["Request-Id"] in caplog.text and "ZeroDivisionError" in caplog.text
        assert token not in caplog.text


async def test_what_changes_while_a_body_is_on_its_way_is_not_undone_by_it(tmp_path):
    async with running_api(tmp_path) as api:
        app = api.ledger.apps.create("hello", api.users["you"].id)
        rest = asyncio.Event()

        async def body():
            yield b'{"name": '
            await rest.wait()
            yield b'"goodbye"}'

        headers = {"Hostd-User": api.user}
        renaming = asyncio.create_task(api.http.patch("http://hostd/apps/hello", data=body(), headers=headers))
        while not api.application[ATTENDED].requests:
            await asyncio.sleep(0)
        api.ledger.apps.set_maintenance(app.id, True)
        rest.set()
        assert (await (await renaming).json())["name"] == "goodbye"
        assert api.ledger.apps.get("goodbye").maintenance


async def test_nothing_of_a_request_that_cannot_be_read_is_in_the_log(tmp_path, caplog):
    async with running_api(tmp_path) as api:
        token, (host, port) = api.token(), api.door.removeprefix("http://").split(":")
        for wrong in ("Authorization: Bearer {}\0", "Authorization {}: x", "Transfer-Encoding: {}"):
            reader, writer = await asyncio.open_connection(host, int(port))
            writer.write(f"GET /account HTTP/1.1\r\nHost: x\r\n{wrong.format(token)}\r\n\r\n".encode())
            assert (await reader.readline()).startswith(b"HTTP/1.0 400")
            writer.close()
    assert token not in caplog.text and "Traceback" not in caplog.text


async def raw(door, request):
    """What comes back for bytes that are sent, until the server closes."""
    host, port = door.removeprefix("http://").split(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    writer.write(request)
    answer = await reader.read()
    writer.close()
    return answer


async def test_nothing_of_a_request_that_cannot_be_read_is_in_the_answer(tmp_path):
    async with running_api(tmp_path) as api:
        token = api.token()
        for wrong in ("Authorization: Bearer {}\0", "Authorization {}: x", "Content-Length: {}", "X: " + "{}" * 400):
            request = f"GET /account HTTP/1.1\r\nHost: x\r\n{wrong.replace('{}', token)}\r\n\r\n"
            head, _, body = (await raw(api.door, request.encode())).partition(b"\r\n\r\n")
            assert head.startswith(b"HTTP/1.0 400") and json.loads(body)["id"] == "bad_request"
            assert token.encode() not in body and b"aiohttp" not in head


async def test_a_body_that_is_not_packed_as_it_says_is_no_fault_of_ours(tmp_path, caplog):
    async with running_api(tmp_path) as api:
        headers = {"Hostd-User": api.user, "Content-Encoding": "gzip", "Connection": "close"}
        for body in (b"x" * 30, gzip.compress(b'{"name": "hello"}')[:-16]):
            refused = await api.http.post("http://hostd/apps", data=body, headers=headers)
            assert (refused.status, (await refused.json())["id"]) == (400, "bad_request")
        whole = await api.http.post("http://hostd/apps", data=gzip.compress(b'{"name": "hello"}'), headers=headers)
        assert whole.status == 201
    assert "Traceback" not in caplog.text


async def test_who_hangs_up_in_the_middle_of_a_body_is_no_fault_of_ours(tmp_path, caplog):
    async with running_api(tmp_path) as api:
        host, port = api.door.removeprefix("http://").split(":")
        _, writer = await asyncio.open_connection(host, int(port))
        head = f"POST /apps HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {api.token()}\r\nContent-Length: 99\r\n\r\n{{"
        writer.write(head.encode())
        while not api.application[ATTENDED].requests:
            await asyncio.sleep(0)
        writer.close()
        while api.application[ATTENDED].requests:
            await asyncio.sleep(0)
    assert "Traceback" not in caplog.text


async def test_a_method_that_is_not_there_is_told_those_that_are(tmp_path):
    async with running_api(tmp_path) as api:
        refused = await api("PUT", "/apps")
        assert (refused.status, refused.headers["Allow"]) == (405, "GET,HEAD,POST")


async def test_a_whole_number_may_have_a_point(tmp_path):
    async with running_api(tmp_path) as api:
        for written, said in (("60.0", 60), ("6e1", 60), ("0.6e2", 60)):
            body = f'{{"description": "x", "expires_in": {written}}}'
            made = await api.http.post("http://hostd/oauth/authorizations", data=body, headers={"Hostd-User": api.user})
            assert (made.status, said - 1 <= (await made.json())["access_token"]["expires_in"] <= said) == (201, True)
        app = api.ledger.apps.create("hello", api.users["you"].id)
        api.deployed(app)
        for written, status in (("2.0", 200), ("1.5", 422), ("1e400", 422), ("1e300", 422), ("-0.0", 200)):
            body, user = f'{{"quantity": {written}}}', {"Hostd-User": api.user}
            scaled = await api.http.patch("http://hostd/apps/hello/formation/web", data=body, headers=user)
            assert scaled.status == status, await scaled.text()


async def test_deep_json_is_refused(tmp_path):
    async with running_api(tmp_path) as api:
        for depth in (DEEPEST, 500, 100_000):
            deep = b'{"a":' + b"[" * depth + b"]" * depth + b"}"
            refused = await api.http.post("http://hostd/apps", data=deep, headers={"Hostd-User": api.user})
            assert (refused.status, (await refused.json())["id"]) == (400, "bad_request")


def test_levels():
    assert not too_deep({"a": [1, {"b": []}]}, 4)
    assert too_deep({"a": [1, {"b": []}]}, 3)
    assert not too_deep({}, 1)
