"""Who reaches what listens on an address."""

import pytest

from taskyard.listening import is_loopback


@pytest.mark.parametrize(
    ("host", "expected"),
    [
        *[(host, True) for host in ("127.0.0.1", "127.8.8.8", "::1", "localhost")],
        *[(host, False) for host in ("0.0.0.0", "::", "10.0.0.1", "example.org", "localhost.example.org")],
    ],
)
def test_only_the_addresses_of_this_machine_are_loopback(host, expected):
    assert is_loopback(host) is expected
