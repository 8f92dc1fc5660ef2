"""Addresses and networks of clients and proxies, as settings and headers write them."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable

from kinlens.errors import ConfigError

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Network = ipaddress.IPv4Network | ipaddress.IPv6Network
_HOLD_IPV4 = (ipaddress.IPv6Network("::ffff:0:0/96"), ipaddress.IPv6Network("64:ff9b::/96"))
"""IPv4-mapped addresses, and NAT64's well-known prefix (RFC 6052)."""


def plain(address: Address) -> Address:
    """The IPv4 address that a mapped or NAT64 address holds, else the address itself.

    An address of 6to4 or Teredo stays what it is: anybody may write any IPv4 address into it.
    """
    if any(address in network for network in _HOLD_IPV4):
        return ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
    return address


def parse_networks(names: Iterable[str], setting: str) -> tuple[Network, ...]:
    """Read addresses and CIDR networks; mapped and NAT64 ones as the IPv4 networks they hold.

    Parameters
    ----------
    names : such as "10.0.0.0/8", "192.168.1.7", "fd00::/8"
    setting : that holds them, for messages

    Raises
    ------
    ConfigError : anything else, such as a host name, or a network with host bits set
    """
    return tuple(_network(name.strip(), setting) for name in names)


def _network(name: str, setting: str) -> Network:
    try:
        given = ipaddress.ip_address(name.partition("/")[0])
        network = ipaddress.ip_network(name, strict=False)
        if "%" in name:  # a zone is known to this machine only, and no header names it
            raise ValueError(name)
    except ValueError:
        raise ConfigError(
            f"{setting} needs addresses or networks such as 192.168.1.7 or 10.0.0.0/8, not host "
            f"names; got {name!r:.80}."
        ) from None
    if given != network.network_address:
        raise ConfigError(
            f"{setting} has {name!r:.80}, an address with the length of a network. Write "
            f"{given} for this address, or {network} for its network."
        )
    for holder in _HOLD_IPV4:
        if isinstance(network, ipaddress.IPv6Network) and network.subnet_of(holder):
            first = ipaddress.IPv4Address(int(network.network_address) & 0xFFFFFFFF)
            return ipaddress.IPv4Network((first, network.prefixlen - 96))
    return network
