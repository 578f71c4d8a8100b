"""A session of a process that has many files open, as an API with thousands of clients does."""

import os
import resource

import pytest

from statements import factories as f
from taskyard.database import Session, wake

OF_SELECT = 1024  # the numbers of files that select() can look at


@pytest.fixture
def many_files():
    """Have all files with lower numbers than those of `select.select` be taken."""
    limits = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (2 * OF_SELECT, limits[1]))
    taken = [os.open(os.devnull, os.O_RDONLY)]
    try:
        while taken[-1] < OF_SELECT:
            taken.append(os.dup(taken[0]))
        yield
    finally:
        for file in taken:
            os.close(file)
        resource.setrlimit(resource.RLIMIT_NOFILE, limits)


@pytest.mark.usefixtures("many_files")
def test_it_runs_statements_waits_and_sees_that_it_was_ended(database_url, session):
    late = Session(database_url, "late")
    assert f.rows(late, "SELECT 1") == [(1,)]
    assert f.rows(late, "SELECT 2") == [(2,)]
    late.listen("taskyard_work")
    session.run(wake)
    assert late.wait(10)
    assert not late.wait(0)
    assert late.is_open
    f.rows(session, "SELECT pg_terminate_backend(pid, 10000) FROM pg_stat_activity WHERE application_name = 'late'")
    assert not late.is_open
    assert f.rows(late, "SELECT 3") == [(3,)]
    late.close()


def test_a_file_that_somebody_else_closed_is_no_server_that_went(database_url):
    """A process in which that happens may have another file under the same number next: it is to end."""
    session = Session(database_url, "closed")
    with session.transaction() as cursor:
        file = cursor.connection.fileno()
    kept = os.dup(file)
    os.close(file)
    try:
        with pytest.raises(OSError, match="was closed"):
            f.rows(session, "SELECT 1")
    finally:
        os.dup2(kept, file)
        os.close(kept)
        session.close()
