"""Who reaches what listens on an address."""

import ipaddress


def is_loopback(host: str) -> bool:
    """Return whether only this machine reaches what listens on `host`: a name other than localhost may be any."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
