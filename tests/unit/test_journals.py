from pathlib import Path

from hostd.journals import app_of, journal_directory, namespace


def test_each_app_has_a_namespace_and_the_platform_one():
    assert namespace("01234567-89ab-cdef-0123-456789abcdef") == "hostd-01234567-89ab-cdef-0123-456789abcdef"
    assert namespace("") == "hostd"


def test_an_app_is_found_by_its_namespace():
    assert app_of(namespace("some-id")) == "some-id"
    assert app_of("hostd") is None
    assert app_of("other") is None


def test_the_directory_is_that_of_journald():
    assert journal_directory("a1", "0f" * 16, Path("/var/log/journal")) == Path(
        f"/var/log/journal/{'0f' * 16}.hostd-a1"
    )
