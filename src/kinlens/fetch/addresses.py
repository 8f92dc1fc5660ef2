"""Which internet addresses Kinlens connects to on a stranger's behalf: public ones only."""

from __future__ import annotations

import ipaddress

Address = ipaddress.IPv4Address | ipaddress.IPv6Address

_NAT64 = ipaddress.ip_network("64:ff9b::/96")
_GLOBAL_UNICAST = ipaddress.ip_network("2000::/3")

# Beyond what `ipaddress` knows as not global; some of it only newer Pythons know.
_FORBIDDEN_V4 = tuple(
    ipaddress.ip_network(network)
    for network in (
        "0.0.0.0/8",  # this network
        "100.64.0.0/10",  # carrier-grade NAT; metadata of one cloud
        "168.63.129.16/32",  # host agent of another
        "192.0.0.0/24",  # protocol assignments; metadata of a third
        "192.88.99.0/24",  # 6to4 relays
        "198.18.0.0/15",  # benchmarks
        "224.0.0.0/3",  # multicast, reserved, broadcast
    )
)
_FORBIDDEN_V6 = tuple(
    ipaddress.ip_network(network)
    for network in (
        "2001::/23",  # Teredo, ORCHID and other protocol assignments
        "2001:db8::/32",  # documentation
        "2002::/16",  # 6to4, which may hold a private IPv4 address
        "3fff::/20",  # documentation
    )
)


def is_public(address: str) -> bool:
    """Whether an address, as a resolver gives it, is one of the public internet.

    Private, loopback, link-local, shared, multicast, reserved and documentation addresses are
    not, nor IPv6 forms that hold an IPv4 address (mapped, compatible, 6to4, Teredo). Those of
    NAT64, by which a network without IPv4 reaches it, are as public as the address they hold.
    """
    parsed = ipaddress.ip_address(address)
    if isinstance(parsed, ipaddress.IPv4Address):
        return _is_public_v4(parsed)
    if parsed in _NAT64:
        return _is_public_v4(ipaddress.IPv4Address(int(parsed) & 0xFFFFFFFF))
    return (
        parsed in _GLOBAL_UNICAST
        and parsed.is_global
        and not any(parsed in network for network in _FORBIDDEN_V6)
    )


def _is_public_v4(address: ipaddress.IPv4Address) -> bool:
    return address.is_global and not any(address in network for network in _FORBIDDEN_V4)
