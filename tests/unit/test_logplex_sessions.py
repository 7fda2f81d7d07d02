import pytest
from kept_fakes import session

from hostd.errors import BadRequest, Forbidden, Unavailable
from hostd.logplex.key import ensure_key, load_key
from hostd.logplex.rendering import Form
from hostd.logplex.sessions import sign, verify

KEY = b"k" * 32
NOW = 1_769_510_888.0


def test_a_signed_session_comes_back_as_it_was():
    for made in (
        session(expires=int(NOW) + 300),
        session(tail=True, lines=0, source="heroku", only=("web.1", "api"), grep="we&b=.1 é\\d+ ", expires=int(NOW)),
        session(lines=None, since=1, until=2, without=("router",), ignore_case=True, request_id="a-b", form=Form.JSON),
    ):
        assert verify(sign(made, KEY), KEY, NOW) == made


def test_no_part_of_it_can_be_changed():
    query = sign(session(expires=int(NOW) + 300), KEY)
    for forged in (
        query.replace("1111", "2222"),
        query.replace("expires", "lines"),
        query + "&app=other",
        "app=other&" + query,
        query.rpartition("&")[0],
        query[:-1],
        query + "é",
        "",
    ):
        with pytest.raises(Forbidden):
            verify(forged, KEY, NOW)
    with pytest.raises(Forbidden):
        verify(query, b"x" * 32, NOW)


def test_it_ends():
    query = sign(session(expires=int(NOW)), KEY)
    with pytest.raises(Forbidden, match="expired"):
        verify(query, KEY, NOW + 1)


def test_what_is_signed_but_not_understood_is_said_so():
    import hashlib
    import hmac

    for query in (
        "app=x&lines=100&tail=true&expires=1",
        'app=x&session={"app":"x","expires":"1"}',
        'app=x&session={"app":"x","expires":1,"lines":"many"}',
        'app=x&session={"app":"x","expires":1,"colour":"red"}',
        'app=x&session={"app":"x","expires":1,"form":"xml"}',
        "app=x&session=[]",
        "app=x&session={",
    ):
        signature = hmac.new(KEY, query.encode(), hashlib.sha256).hexdigest()
        with pytest.raises(BadRequest):
            verify(f"{query}&signature={signature}", KEY, 0)


def test_the_key_is_made_once_and_kept(tmp_path):
    path = tmp_path / "etc" / "logplex.key"
    key = ensure_key(path, group=None)
    assert len(key) == 32
    assert path.stat().st_mode & 0o777 == 0o600
    assert ensure_key(path, group=None) == load_key(path) == key
    assert [each.name for each in path.parent.iterdir()] == ["logplex.key"]


def test_a_key_that_cannot_be_used_is_explained(tmp_path):
    with pytest.raises(Unavailable, match="No such file"):
        load_key(tmp_path / "none")
    (tmp_path / "short").write_bytes(b"x")
    with pytest.raises(Unavailable, match="1 bytes"):
        load_key(tmp_path / "short")
