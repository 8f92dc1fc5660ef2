"""Topics and wildcards, beside a slow twin."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kinlens.errors import ConfigError
from kinlens.messaging import matches, open_bus, redacted
from kinlens.messaging.address import Address

LEVELS = st.lists(st.sampled_from(["a", "b", "", "$s", "c.d"]), min_size=1, max_size=4)
PATTERNS = st.lists(st.sampled_from(["a", "b", "", "$s", "+"]), min_size=0, max_size=4)


@pytest.mark.parametrize(
    ("pattern", "topic", "expected"),
    [
        ("a/b", "a/b", True),
        ("a/b", "a/b/c", False),
        ("a/+", "a/b", True),
        ("a/+", "a", False),
        ("a/+", "a/", True),
        ("+/b", "a/b", True),
        ("a/#", "a", True),
        ("a/#", "a/b/c", True),
        ("#", "a/b", True),
        ("#", "$SYS/load", False),
        ("+/load", "$SYS/load", False),
        ("$SYS/#", "$SYS/load", True),
        ("a.b", "axb", False),
    ],
)
def test_wildcards(pattern: str, topic: str, expected: bool) -> None:
    assert matches(pattern, topic) is expected


@given(PATTERNS, st.booleans(), LEVELS)
def test_wildcards_as_a_regular_expression(
    pattern: list[str], rest: bool, topic: list[str]
) -> None:
    wanted = pattern + ["#"] * rest or ["a"]
    parts = [r"[^/]*" if level == "+" else re.escape(level) for level in wanted if level != "#"]
    regex = "/".join(parts) + ((r"(/.*)?" if parts else ".*") if rest else "")
    plain = bool(re.fullmatch(regex, "/".join(topic)))
    hidden = "/".join(topic).startswith("$") and wanted[0] in {"+", "#"}
    assert matches("/".join(wanted), "/".join(topic)) is (plain and not hidden)


def test_addresses() -> None:
    assert Address.parse("mqtt://host") == Address("host", 1883, tls=False)
    full = Address.parse("mqtts://us%40er:p%2Fw@host:1234?ca=/a.pem&cert=/c.pem&key=/k.pem")
    assert full == Address("host", 1234, True, "us@er", "p/w", "/a.pem", "/c.pem", "/k.pem")
    assert "p/w" not in str(full)
    assert "p/w" not in repr(full)


@pytest.mark.parametrize(
    "url", ["", "host", "mqtt://", "http://host", "mqtt://host?ca=/a", "mqtt://host:99999"]
)
def test_addresses_that_cant_be_used(url: str) -> None:
    with pytest.raises(ConfigError):
        open_bus(url)


def test_shown_without_secrets() -> None:
    assert redacted("mqtts://user:pass@host:1/x?key=/k") == "mqtts://host:1/x"
    assert redacted("redis://:p@ss@host/0") == "redis://host/0"
    assert redacted("mqtt://user:a://b@host") == "mqtt://host"
    assert redacted("user:pass@host:1") == "host:1"
