from tests.support.server import pip_settings


def test_what_a_server_is_told_of_pip():
    listed = """\
:env:.cert='/etc/ssl/certs/ca-certificates.crt'
:env:.default-timeout='180'
global.index-url='https://mirror.example/simple'
global.extra-index-url='file:///opt/simple https://other.example/simple file:///opt/more'
global.find-links='/opt/wheels'
install.trusted-host=''
"""
    assert pip_settings(listed) == [
        "default-timeout = 180",
        "index-url = https://mirror.example/simple",
        "extra-index-url = https://other.example/simple",
    ]


def test_nothing_is_told_where_nothing_is_set():
    assert pip_settings("global.extra-index-url='file:///opt/simple'\n") == []
