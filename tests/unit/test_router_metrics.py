"""What is counted of requests, and how it is told."""

import asyncio
import re

import aiohttp
import pytest
from router_rig import Call, get, ok, post, rig

from router import exposition
from router.control import Control
from router.metrics import BUCKETS, AppMetrics, Histogram, Metrics, Series
from router.table import App, State, Table

SAMPLE = re.compile(r'hostd_router_[a-z_]+\{[a-z]+="[^"\\\n]*"(,[a-z]+="[^"\\\n]*")*\} [0-9.e+-]+')


def test_a_histogram_counts_up_to_each_bound():
    histogram = Histogram()
    for seconds in (0.0, 0.001, 0.0011, 30.0, 31.0):
        histogram.add(seconds)
    found = dict(histogram.up_to())
    assert (found["0.001"], found["0.0025"], found["10.0"], found["30.0"], found["+Inf"]) == (2, 3, 3, 4, 5)
    assert len(found) == len(BUCKETS) + 1 and list(BUCKETS) == sorted(BUCKETS)
    assert (histogram.count, histogram.seconds) == (5, pytest.approx(61.0021))


def test_a_series_counts_what_says_something():
    series = Series()
    series.add(200, 10, 0.002, 0.2)
    series.add(204, 0, 0.0, 0.1)
    series.add(101, 5, 0.0, 3600.0)
    series.add(503, 0, 5.0, None)
    series.add(999, 0, 0.0, None)
    assert dict(series.classes()) == {"1xx": 1, "2xx": 2, "5xx": 1, "other": 1}
    assert (series.sent, series.connect.count, series.service.count) == (15, 2, 2)


def test_dynos_that_are_gone_are_forgotten_but_not_at_once():
    app = AppMetrics()
    for number in range(100):
        app.dyno(f"web.{number}")
        app.keep([f"web.{number}"])
    assert len(app.dynos) == 21
    first = app.dyno("web.99")
    app.keep([])
    app.keep(["web.99"])
    assert app.dyno("web.99") is first


def test_apps_that_are_gone_are_forgotten():
    metrics = Metrics()
    app = metrics.begin("a")
    assert metrics.begin("a") is metrics.of("a") is app
    metrics.end("a")
    metrics.end("a")
    assert metrics.of("a") is metrics.of("b") is metrics.apps()[""]
    assert len(metrics.apps()) == 1


async def hang_up(call: Call) -> None:
    call.writer.close()


def samples(text):
    """The samples of a text by their name and labels; fails for what Prometheus would not read."""
    found, families = {}, []
    for line in text.splitlines():
        if line.startswith("# TYPE "):
            families.append(line.split()[2])
        elif not line.startswith("# HELP "):
            assert SAMPLE.fullmatch(line), line
            key, _, value = line.rpartition(" ")
            assert key not in found and key.startswith(families[-1])
            found[key] = float(value)
    assert len(families) == len(set(families))
    return found


async def test_requests_are_counted_by_app_and_dyno():
    async with rig(ok, hang_up) as router, router.client() as client:
        router.swap(router.dynos[0])
        for _ in range(3):
            await client.get()
        router.swap(router.dynos[1])
        assert (await client.ask(post(b""))).status == 503
        router.swap(state=State.MAINTENANCE)
        await client.get()
        await client.ask(b"GET / HTTP/1.1\r\nHost: nobody.localhost\r\n\r\n")
        found = samples("".join(exposition.text(router.plane, 7)))
        one = 'worker="7",app="hello",dyno="web.1"'
        assert found[f'hostd_router_requests_total{{{one},class="2xx"}}'] == 3
        assert found['hostd_router_requests_total{worker="7",app="hello",dyno="web.2",class="5xx"}'] == 1
        assert found['hostd_router_requests_total{worker="7",app="hello",dyno="",class="5xx"}'] == 1
        assert found['hostd_router_requests_total{worker="7",app="",dyno="",class="4xx"}'] == 1
        assert found['hostd_router_codes_total{worker="7",app="hello",code="H13"}'] == 1
        assert found['hostd_router_codes_total{worker="7",app="hello",code="H80"}'] == 1
        assert found['hostd_router_codes_total{worker="7",app="",code="refused"}'] == 1
        assert found[f"hostd_router_response_bytes_total{{{one}}}"] == 6
        assert found[f"hostd_router_service_seconds_count{{{one}}}"] == 3
        assert found[f'hostd_router_service_seconds_bucket{{{one},le="+Inf"}}'] == 3
        assert found[f"hostd_router_connect_seconds_count{{{one}}}"] == 1
        assert found['hostd_router_connections_open{worker="7"}'] == 1


async def until(condition):
    async with asyncio.timeout(5):
        while not condition():
            await asyncio.sleep(0.005)


async def test_what_goes_on_is_told_too():
    async def never(call: Call) -> None:
        await call.reader.read()

    async with rig(never) as router, router.client() as one, router.client() as two:
        await one.send(get())
        await until(lambda: router.dynos[0].calls)
        found = samples("".join(exposition.text(router.plane, 1)))
        assert found['hostd_router_requests_in_flight{worker="1",app="hello",dyno="web.1"}'] == 1
        router.swap(state=State.STARTING)
        await two.send(get())
        await until(lambda: router.plane.held)
        found = samples("".join(exposition.text(router.plane, 1)))
        assert found['hostd_router_requests_held{worker="1",app="hello"}'] == 1


async def test_the_control_socket_tells_programs_and_people(tmp_path):
    async with rig(ok) as router, router.client() as client:
        await client.get()
        control = Control(router.plane, 1)
        await control.listen(tmp_path / "1.sock")
        connector = aiohttp.UnixConnector(str(tmp_path / "1.sock"))
        async with aiohttp.ClientSession("http://router", connector=connector) as session:
            async with session.get("/metrics") as answer:
                nobody, app = (await answer.json())["apps"]
            assert (nobody["id"], nobody["statuses"]) == ("", {})
            assert (app["id"], app["name"], app["codes"], app["held"]) == ("id-of-hello", "hello", {}, 0)
            (dyno,) = app["dynos"]
            assert (dyno["name"], dyno["statuses"], dyno["bytes"]) == ("web.1", {"2xx": 1}, 2)
            assert dyno["service"]["count"] == dyno["service"]["buckets"]["+Inf"] == 1
            # As Prometheus 2 asks.
            accept = "application/openmetrics-text;version=1.0.0,text/plain;version=0.0.4;q=0.5,*/*;q=0.1"
            async with session.get("/metrics", headers={"Accept": accept}) as answer:
                assert answer.headers["Content-Type"] == "text/plain; version=0.0.4; charset=utf-8"
                assert samples(await answer.text())['hostd_router_table_sequence{worker="1"}'] == 1
        await control.close()


async def test_counts_outlive_restarts_of_a_dyno_and_end_with_the_app():
    async with rig(ok) as router, router.client() as client:
        await client.get()
        router.swap(state=State.STARTING)
        again = await router.dyno(ok, "web.1")
        router.swap(again)
        await client.get()
        assert dict(router.plane.metrics.of("id-of-hello").dynos["web.1"].classes()) == {"2xx": 2}
        other = App("id-of-other", "other", ("other.localhost",), State.NONE)
        router.plane.swap(Table(router.plane.table.sequence + 1, "localhost", (other,)))
        assert set(router.plane.metrics.apps()) == {"", "id-of-other"}
