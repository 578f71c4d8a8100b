"""Which port a server gets."""

import socket

from taskyard.local.ports import Ports, is_free


def test_a_taken_port_gives_way_to_the_next_and_that_is_kept(tmp_path):
    ports = Ports(tmp_path / "ports.json")
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        taken = other.getsockname()[1]
        assert not is_free(taken)
        chosen = ports.choose("server", taken)
        assert chosen > taken
        assert Ports(tmp_path / "ports.json").choose("server", taken) == chosen


def test_the_wanted_port_is_taken_where_it_is_free(tmp_path):
    anywhere = Ports(tmp_path / "ports.json").choose("server", None)
    assert Ports(tmp_path / "ports.json").choose("server", anywhere) == anywhere
    assert Ports(tmp_path / "ports.json").choose("server", None) == anywhere


def test_no_two_names_share_a_port(tmp_path):
    ports = Ports(tmp_path / "ports.json")
    first = ports.choose("one", None)
    assert ports.choose("other", first) != first


def test_a_damaged_file_is_as_good_as_none(tmp_path):
    (tmp_path / "ports.json").write_text('{"server": ')
    assert Ports(tmp_path / "ports.json").choose("server", None)
