"""Which addresses belong to the public internet, and which lead back inside: to this host, its network, its cloud.

An IPv6 address may carry an IPv4 address, to which the network will deliver; then that one is judged.
"""

from ipaddress import IPv4Address, IPv6Address, ip_network
from typing import Final

_INSIDE_IPV4: Final = (
    ip_network("192.0.0.0/24"),  # IETF protocol assignments; older Pythons call most of them global
    ip_network("192.88.99.0/24"),  # the retired 6to4 relays
    ip_network("168.63.129.16/32"),  # Azure's host agent: outside every private range, yet it answers only from inside
)
_GLOBAL_IPV6: Final = ip_network("2000::/3")  # all that IANA has given out for global unicast
_NAT64: Final = ip_network("64:ff9b::/96")


def is_public(address: IPv4Address | IPv6Address) -> bool:
    """Whether packets to `address` leave for the public internet, whichever way it is written."""
    if isinstance(address, IPv4Address):
        inside = address.is_multicast or any(address in network for network in _INSIDE_IPV4)
        return address.is_global and not inside
    carried = _carried(address)
    if carried is not None:
        return is_public(carried)
    return address in _GLOBAL_IPV6 and address.is_global


def _carried(address: IPv6Address) -> IPv4Address | None:
    if address in _NAT64:
        return IPv4Address(int(address) & 0xFFFFFFFF)
    return address.ipv4_mapped or address.sixtofour
