"""What a PostgreSQL of our own owes its caller. Each law is proven on a real server."""

import os
import stat
from contextlib import closing
from pathlib import Path

import psutil
import psycopg2
import pytest

from taskyard.local.errors import LocalRunError
from taskyard.local.placement import place
from taskyard.local.postgresql import PostgreSQL


def query(server, statement, password=None):
    with closing(
        psycopg2.connect(
            host="127.0.0.1",
            port=server.port,
            user="taskyard",
            dbname="taskyard",
            password=password or server.password,
        )
    ) as connection:
        connection.autocommit = True
        with connection.cursor() as cursor:
            cursor.execute(statement)
            return cursor.fetchall() if cursor.description else None


def processes_of(server):
    data = place(server.log.parent).data
    found = []
    for process in psutil.process_iter(["name", "status"]):
        if process.info["name"] == "postgres" and process.info["status"] != psutil.STATUS_ZOMBIE:
            found += [process.pid] * (process.cwd() == str(data.resolve()))
    return found


def test_rows_survive_a_crash(postgresql):
    postgresql.start()
    query(postgresql, "CREATE TABLE kept AS SELECT 1 AS one")
    port = postgresql.port
    postgresql.kill()
    assert not postgresql.running
    assert processes_of(postgresql) == []

    postgresql.start()

    assert postgresql.port == port
    assert query(postgresql, "SELECT one FROM kept") == [(1,)]


def test_the_next_run_ends_what_an_earlier_one_left_and_keeps_data_password_and_port(postgresql):
    postgresql.start()
    query(postgresql, "CREATE TABLE still_kept AS SELECT 2 AS two")

    following = PostgreSQL(postgresql.log.parent, settings={"fsync": "off"})
    following.start()

    assert not postgresql.running
    assert following.port == postgresql.port
    assert query(following, "SELECT two FROM still_kept") == [(2,)]
    following.stop()


def test_a_pid_file_that_names_a_living_stranger_is_no_obstacle(postgresql):
    postgresql.start()
    postgresql.kill()
    pid_file = place(postgresql.log.parent).data / "postmaster.pid"
    lines = pid_file.read_text().splitlines(keepends=True)
    pid_file.write_text("".join([f"{os.getpid()}\n", *lines[1:]]))

    postgresql.start()

    assert query(postgresql, "SELECT 1") == [(1,)]


def test_only_the_generated_password_lets_in_and_only_its_owner_reads_it(postgresql):
    postgresql.start()
    assert stat.S_IMODE((postgresql.log.parent / "password").stat().st_mode) == 0o600
    with pytest.raises(psycopg2.OperationalError, match="authentication failed"):
        query(postgresql, "SELECT 1", password="postgres")


def test_stop_leaves_no_process(postgresql):
    postgresql.start()
    postgresql.stop()
    assert processes_of(postgresql) == []


@pytest.mark.skipif(os.geteuid() != 0, reason="only root has folders that PostgreSQL's account cannot enter")
def test_as_root_a_closed_folder_is_left_closed_and_the_server_runs_all_the_same(tmp_path):
    home = tmp_path / "home"
    home.mkdir(mode=0o700)
    server = PostgreSQL(home / "clone/postgresql", settings={"fsync": "off"})
    server.start()
    try:
        assert query(server, "SELECT 1") == [(1,)]
        assert stat.S_IMODE(home.stat().st_mode) == 0o700
        data = place(home / "clone/postgresql").data
        assert not data.is_relative_to(home)
        assert data.stat().st_uid != 0
    finally:
        server.remove()
    assert not data.exists()
    assert not Path(home / "clone/postgresql").exists()


def test_a_server_that_runs_and_refuses_is_a_failure_to_start_like_any_other(tmp_path):
    """So that whoever keeps it running goes on to keep it running."""
    server = PostgreSQL(tmp_path / "pg", settings={"fsync": "off", "default_transaction_read_only": "on"})
    try:
        with pytest.raises(LocalRunError, match="read-only"):
            server.start()
    finally:
        server.remove()
