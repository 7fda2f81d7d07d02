"""What the name of a domain may look like, and how it is written."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hostd.domain_names import domain_name, in_unicode, wildcards_over
from hostd.errors import Invalid

PLATFORM = "apps.example.com"


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        ("www.shop.de", "www.shop.de"),
        (" WWW.Shop.DE. ", "www.shop.de"),
        ("*.Shop.de", "*.shop.de"),
        ("bücher.example", "xn--bcher-kva.example"),
        ("*.BÜCHER.example.", "*.xn--bcher-kva.example"),
        ("xn--bcher-kva.example", "xn--bcher-kva.example"),
        ("faß.de", "xn--fa-hia.de"),
        ("日本語。jp", "xn--wgv71a119e.jp"),
        ("\uff37\uff37\uff37.shop.de", "www.shop.de"),
        ("r3---sn1.shop.de", "r3---sn1.shop.de"),
        ("1.shop.de", "1.shop.de"),
        ("example.com", "example.com"),
        ("notapps.example.com", "notapps.example.com"),
    ],
)
def test_a_domain_is_kept_in_one_form(given, kept):
    assert domain_name(given, PLATFORM) == kept
    assert domain_name(kept, PLATFORM) == kept


@pytest.mark.parametrize(
    ("given", "why"),
    [
        ("", "must not be empty"),
        ("  ", "must not be empty"),
        ("http://shop.de", "is an address, not a domain"),
        ("shop.de/path", "is an address, not a domain"),
        ("you@shop.de", "is an address, not a domain"),
        ("shop.de:8080", "has a port"),
        ("192.0.2.1", "is an IP address"),
        ("2001:db8::1", "is an IP address"),
        ("[2001:db8::1]", "is an IP address"),
        ("192.0.2", "browsers take it for an IP address"),
        ("shop.0x7f", "browsers take it for an IP address"),
        ("*", "an asterisk can only stand at the beginning"),
        ("a.*.shop.de", "an asterisk can only stand at the beginning"),
        ("w*.shop.de", "an asterisk can only stand at the beginning"),
        ("*.*.shop.de", "an asterisk can only stand at the beginning"),
        ("*.de", "needs a dot"),
        ("shop", "needs a dot"),
        ("a..de", "there must be something"),
        (".shop.de", "there must be something"),
        ("shop.de..", "there must be something"),
        ("a_b.de", "letters, digits and dashes"),
        ("-a.de", "begin and end with a letter or digit"),
        ("a b.de", "letters, digits and dashes"),
        ("a\nb.de", "letters, digits and dashes"),
        (f"{'a' * 64}.de", "1 to 63"),
        (".".join(["a" * 60] * 5), "the limit is 253"),
        ("💩.la", "not allowed"),
        ("xn--zz.de", "A-label"),
        ("\ud800.de", "not allowed"),
        ("apps.example.com", "belongs to the platform"),
        ("x.APPS.example.com.", "belongs to the platform"),
        ("*.apps.example.com", "belongs to the platform"),
        ("*.example.com", r"would take in apps\.example\.com"),
    ],
)
def test_what_is_no_domain_is_refused_with_a_reason(given, why):
    with pytest.raises(Invalid, match=why):
        domain_name(given, PLATFORM)


@pytest.mark.parametrize("given", ["localhost", "hello.localhost", "*.localhost"])
def test_the_names_below_localhost_are_the_platforms_where_that_is_its_domain(given):
    with pytest.raises(Invalid, match="belongs to the platform"):
        domain_name(given, "localhost")


@given(st.text())
def test_any_text_is_a_domain_or_refused(text):
    try:
        name = domain_name(text, PLATFORM)
    except Invalid:
        return
    assert domain_name(name, PLATFORM) == name
    assert domain_name(in_unicode(name), PLATFORM) == name


def test_a_domain_is_shown_as_people_write_it():
    assert in_unicode("*.xn--bcher-kva.example") == "*.bücher.example"
    assert in_unicode("www.shop.de") == "www.shop.de"
    assert in_unicode("xn--zz.de") == "xn--zz.de"


def test_the_wildcards_over_a_name():
    assert wildcards_over("a.shop.de") == ["*.a.shop.de", "*.shop.de", "*.de"]
    assert wildcards_over("*.a.shop.de") == ["*.shop.de", "*.de"]
