"""Which addresses are public."""

from __future__ import annotations

import ipaddress

import pytest

from kinlens.fetch.addresses import is_public


@pytest.mark.parametrize(
    "address",
    ["8.8.8.8", "93.184.215.14", "2606:4700:4700::1111", "64:ff9b::808:808", "1.1.1.1"],
)
def test_public_addresses(address: str) -> None:
    assert is_public(address)


@pytest.mark.parametrize(
    "address",
    ["0.0.0.0", "10.1.2.3", "100.64.0.1", "100.100.100.200", "127.0.0.1", "127.255.0.1",  # noqa: S104
     "168.63.129.16", "169.254.169.254", "172.16.0.1", "172.31.255.255", "192.0.0.192",
     "192.0.2.1", "192.88.99.1", "192.168.1.1", "198.18.0.1", "198.51.100.1", "203.0.113.1",
     "224.0.0.1", "232.1.1.1", "240.0.0.1", "255.255.255.255", "::", "::1", "::127.0.0.1",
     "::8.8.8.8", "::ffff:127.0.0.1", "::ffff:8.8.8.8", "64:ff9b::7f00:1", "64:ff9b::a9fe:a9fe",
     "64:ff9b:1::1", "100::1", "2001::1", "2001:0:7f00:1::", "2001:db8::1", "2002:7f00:1::",
     "2002:808:808::", "3fff::1", "5f00::1", "fc00::1", "fd00:ec2::254", "fe80::1",
     "fe80::1%eth0", "fec0::1", "ff02::1", "ff0e::1"],
)  # fmt: skip
def test_addresses_that_are_not_public(address: str) -> None:
    assert not is_public(address)


PRIVATE = ("127.0.0.1", "10.1.2.3", "169.254.169.254", "192.168.0.1", "172.16.5.4", "100.64.0.1")
FORMS = {
    "mapped": lambda ip: (0xFFFF << 32) | ip,
    "compatible": lambda ip: ip,
    "translated": lambda ip: (0xFFFF << 48) | ip,
    "NAT64": lambda ip: (0x0064FF9B << 96) | ip,
    "local NAT64": lambda ip: (0x0064FF9B0001 << 80) | ip,
    "local NAT64, /48": lambda ip: (0x0064FF9B0001 << 80) | (ip >> 16 << 64) | (ip & 0xFFFF) << 40,
    "6to4": lambda ip: (0x2002 << 112) | (ip << 80) | 1,
    "Teredo server": lambda ip: (0x20010000 << 96) | (ip << 64) | 1,
    "Teredo client": lambda ip: (0x20010000 << 96) | (0x08080808 << 64) | (ip ^ 0xFFFFFFFF),
}


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("held", PRIVATE)
def test_an_ipv6_form_of_a_private_ipv4_address(held: str, form: str) -> None:
    number = FORMS[form](int(ipaddress.IPv4Address(held)))
    assert not is_public(str(ipaddress.IPv6Address(number)))


@pytest.mark.parametrize("form", sorted(FORMS.keys() - {"NAT64"}))
def test_of_the_ipv6_forms_of_public_addresses_only_nat64_is_connected_to(form: str) -> None:
    number = FORMS[form](int(ipaddress.IPv4Address("8.8.8.8")))
    assert not is_public(str(ipaddress.IPv6Address(number)))
