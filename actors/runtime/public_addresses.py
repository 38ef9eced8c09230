"""Tells public IP addresses from all others: one list for each guard of connections to hosts that callers name (SSRF)."""

from __future__ import annotations

import ipaddress
from typing import Final

PRIVATE_NETWORKS: Final = tuple(
    map(
        ipaddress.ip_network,
        (
            *("0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16"),
            *("172.16.0.0/12", "192.0.0.0/24", "192.0.2.0/24", "192.88.99.0/24", "192.168.0.0/16"),
            *("198.18.0.0/15", "198.51.100.0/24", "203.0.113.0/24", "224.0.0.0/3"),
            "168.63.129.16/32",  # the metadata of Azure
            # Of IPv6, 2000::/3 alone is routed, and in it these are protocols' own, examples, and relays into IPv4.
            *("::/3", "4000::/2", "8000::/1"),
            *("2001::/23", "2001:db8::/32", "2002::/16", "3fff::/20"),
        ),
    )
)
"""Networks that not everybody can reach: loopback, local, link's own and reserved ones (IANA's special registries)."""

_NAT64: Final = ipaddress.ip_network("64:ff9b::/96")


def is_public(address: str) -> bool:
    """Whether anybody can reach this address; an address of IPv4 within one of IPv6 counts as itself."""
    try:
        found = ipaddress.ip_address(address)
    except ValueError:
        return False
    if isinstance(found, ipaddress.IPv6Address):
        if found in _NAT64:
            found = ipaddress.IPv4Address(int(found) & 0xFFFFFFFF)
        elif found.ipv4_mapped is not None:
            found = found.ipv4_mapped
    return not any(found in network for network in PRIVATE_NETWORKS)
