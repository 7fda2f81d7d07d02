import pytest
from kept_fakes import APP, OTHER

from hostd.errors import Invalid
from hostd.logplex.filters import MOST_VALUES, Filter, checked_request_id, parted
from hostd.logplex.lines import Line
from hostd.logplex.names import checked_source
from hostd.logplex.patterns import compile_pattern


def line(process="web.1", source="app", message=b"text", app=APP):
    return Line("c", 1, app, source, process, message)


def test_names_are_parted_into_wanted_and_unwanted():
    assert parted([]) == ((), ())
    assert parted(["web", "run.12,-router", "web", " -api "]) == (("web", "run.12"), ("router", "api"))
    for wrong in ("", "-", "--web", "we b", "web.1\n2", "é", "x" * 64, ".1", "web,,"):
        with pytest.raises(Invalid, match="is not a process"):
            parted([wrong])
    with pytest.raises(Invalid, match="more than 50"):
        parted(f"web.{number}" for number in range(51))


def test_a_type_is_all_its_dynos_and_nothing_else():
    wanted = Filter(APP, only=("web",))
    assert wanted.accepts(line("web.1")) and wanted.accepts(line("web"))
    assert not wanted.accepts(line("website.1")) and not wanted.accepts(line("web.1", app=OTHER))


def test_several_are_any_of_them_and_exclusions_win():
    wanted = Filter(APP, only=("web", "router"), without=("web.2",))
    assert [wanted.accepts(line(name)) for name in ("web.1", "web.2", "router", "worker.1")] == [1, 0, 1, 0]
    assert [Filter(APP, without=("router",)).accepts(line(name)) for name in ("web.1", "router")] == [1, 0]


def test_a_request_id_has_to_stand_in_the_text():
    wanted = Filter(APP, request_id="4f1c")
    assert wanted.accepts(line(message=b"a\nrequest_id=4f1c b")) and not wanted.accepts(line(message=b"4f1d"))


def test_what_the_journals_index_can_do():
    processes = ["web.1", "web.2", "website.1", "router", "bad\nname"]
    assert Filter(APP).matches(lambda: processes) == {}
    assert Filter(APP, "heroku", only=("web",)).matches(lambda: processes) == {
        "HOSTD_SOURCE": ("heroku",),
        "HOSTD_PROCESS": ("web.1", "web.2"),
    }
    assert Filter(APP, without=("web",)).matches(lambda: processes) == {"HOSTD_PROCESS": ("router", "website.1")}
    assert Filter(APP, only=("worker",)).matches(lambda: processes) == {"HOSTD_PROCESS": ("worker",)}
    many = [f"run.{number}" for number in range(MOST_VALUES + 1)]
    assert Filter(APP, only=("run",)).matches(lambda: many) == {}


def test_sources_and_request_ids_are_checked():
    assert (checked_source("app"), checked_source(None)) == ("app", None)
    with pytest.raises(Invalid, match="say app or heroku"):
        checked_source("nginx")
    assert checked_request_id("4f1c-77") == "4f1c-77"
    for wrong in ("", "a b", "x" * 201, "é"):
        with pytest.raises(Invalid, match="not the id of a request"):
            checked_request_id(wrong)


def test_a_loss_is_told_to_all_who_may_miss_those_lines():
    loss = Line("c", 1, "", "heroku", "logplex", b"Error L12 ...", about="web.1")
    for told in (
        Filter(APP), Filter(APP, "app"), Filter(APP, "heroku"), Filter(APP, only=("web",)),
        Filter(APP, without=("router",)), Filter(APP, only=("logplex",)), Filter(APP, pattern=compile_pattern("L12")),
    ):  # fmt: skip
        assert told.accepts(loss)
    for not_told in (
        Filter(APP, only=("web.2",)), Filter(APP, without=("web",)), Filter(APP, request_id="x"),
        Filter(APP, without=("logplex",)), Filter(APP, "app", only=("logplex",)),
        Filter(APP, pattern=compile_pattern("L13")),
    ):  # fmt: skip
        assert not not_told.accepts(loss)
