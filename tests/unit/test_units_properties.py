import pytest

from units.properties import EXCEPT_SYSTEM_CALLS, UnknownProperty, encode


def texts(encoded):
    return [value for _, value in encoded if isinstance(value, bytes | str)]


def test_a_property_is_encoded_with_its_wire_type():
    assert (ord("v"), b"t") in encode({"CPUWeight": 100})
    assert (ord("t"), 100) in encode({"CPUWeight": 100})
    assert (ord("v"), b"aay") in encode({"LogExtraFields": [b"HOSTD_APP=x"]})


def test_system_calls_are_allowed_and_then_excepted_under_one_name():
    encoded = encode({"SystemCallFilter": (True, ["@system-service"]), EXCEPT_SYSTEM_CALLS: ["@privileged"]})
    assert texts(encoded).count(b"SystemCallFilter") == 2
    assert texts(encoded).index("@system-service") < texts(encoded).index("@privileged")


def test_unknown_properties_are_named():
    with pytest.raises(UnknownProperty, match="MemryMax"):
        encode({"MemryMax": 1})


@pytest.mark.parametrize(
    "properties",
    [
        {"Description": "a\0b"},
        {"ExecStart": [("/bin/sh", ["sh", "-c", "x\0"], False)]},
        {"LogExtraFields": [b"A=\0"]},
    ],
)
def test_text_that_would_be_cut_at_a_nul_byte_is_refused(properties):
    with pytest.raises(ValueError, match="NUL"):
        encode(properties)
