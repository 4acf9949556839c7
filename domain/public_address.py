"""Which IP addresses are the open internet: everything else may be something of ours that trusts who reaches it."""

import ipaddress
from ipaddress import IPv4Address, IPv6Address

_GLOBAL_UNICAST = ipaddress.IPv6Network("2000::/3")
# Ranges of IPv6 that stand for an address of IPv4, and where it begins, in bytes.
_EMBEDDING = (
    (ipaddress.IPv6Network("::ffff:0:0/96"), 12),  # IPv4-mapped
    (ipaddress.IPv6Network("::ffff:0:0:0/96"), 12),  # IPv4-translated (RFC 2765)
    (ipaddress.IPv6Network("64:ff9b::/96"), 12),  # NAT64
    (ipaddress.IPv6Network("2002::/16"), 2),  # 6to4
)
_NOT_PUBLIC = (
    ipaddress.IPv4Network("168.63.129.16/32"),  # Azure's WireServer, which tells machines their secrets
    ipaddress.IPv4Network("192.88.99.0/24"),  # relays of 6to4
    ipaddress.IPv4Network("192.0.0.0/24"),
    ipaddress.IPv6Network("2001::/23"),  # Teredo and others of the IETF's own
    ipaddress.IPv6Network("2001:db8::/32"),
    ipaddress.IPv6Network("3fff::/20"),
)


def is_public(text: str) -> bool:
    """Whether ``text`` is such an address; False for what is none."""
    try:
        address = ipaddress.ip_address(text.partition("%")[0])
    except ValueError:
        return False
    if isinstance(address, IPv6Address):
        embedded = _embedded(address)
        if embedded is None:
            return address in _GLOBAL_UNICAST and _is_open(address)
        address = embedded
    return _is_open(address)


def _embedded(address: IPv6Address) -> IPv4Address | None:
    for network, start in _EMBEDDING:
        if address in network:
            return IPv4Address(address.packed[start : start + 4])
    return None


def _is_open(address: IPv4Address | IPv6Address) -> bool:
    is_special = address.is_multicast or address.is_reserved or address.is_private or address.is_unspecified
    is_listed = any(address.version == network.version and address in network for network in _NOT_PUBLIC)
    return address.is_global and not is_special and not is_listed
