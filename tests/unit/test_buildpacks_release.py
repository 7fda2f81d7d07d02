"""What buildpacks print from bin/release, in the forms that they use."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from buildpacks.release import Release, parse


def test_the_documented_form() -> None:
    content = b"---\naddons:\n  - heroku-postgresql:dev\ndefault_process_types:\n  web: bin/node server.js\n"
    assert parse(content) == Release(
        default_process_types={"web": "bin/node server.js"}, addons=["heroku-postgresql:dev"]
    )


def test_what_a_yaml_library_writes() -> None:
    content = b"""---
addons:
- heroku-postgresql
config_vars:
  LANG: en_US.UTF-8
  JAVA_OPTS: "-Xmx384m -Dname=\\"x\\""
  RAILS_ENV: 'it''s'
default_process_types:
  rake: bundle exec rake
  "web": bundle exec puma -p ${PORT:-5000}
    -e ${RACK_ENV:-production}
"""
    release = parse(content)
    assert release.addons == ["heroku-postgresql"]
    assert release.config_vars == {"LANG": "en_US.UTF-8", "JAVA_OPTS": '-Xmx384m -Dname="x"', "RAILS_ENV": "it's"}
    assert release.default_process_types == {
        "rake": "bundle exec rake",
        "web": "bundle exec puma -p ${PORT:-5000} -e ${RACK_ENV:-production}",
    }


def test_commands_with_colons_and_comments() -> None:
    release = parse(b"default_process_types:\n  web: gunicorn app:app # started by hostd\n")
    assert release.default_process_types == {"web": "gunicorn app:app"}


@pytest.mark.parametrize(
    "content", [b"", b"---\n", b"{}", b"--- {}\n", b"default_process_types: {}\naddons: []\n", b"oops", b"\xff\xfe"]
)
def test_nothing_said_or_nonsense_is_nothing(content: bytes) -> None:
    assert parse(content) == Release()


def test_names_that_no_process_can_have_are_left_out() -> None:
    assert parse(b"default_process_types:\n  ../x: a\n  web: b\n").default_process_types == {"web": "b"}


def test_what_no_process_can_be_given_is_left_out() -> None:
    content = rb'''{"default_process_types": 1}
default_process_types:
  web: "serve \ud800\u0000now"
'''
    assert parse(content).default_process_types == {"web": "serve ?now"}


@given(st.binary(max_size=300))
def test_any_bytes_are_read(content: bytes) -> None:
    parse(content)
