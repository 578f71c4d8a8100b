"""A connection that an event loop waits for answers as a session of a thread does, and is as hard to break."""

import asyncio
import socket
from contextlib import suppress

import psycopg2
import pytest
from sqlalchemy.engine import make_url

from statements import factories as f
from taskyard.asking import Ask, carry
from taskyard.errors import UnavailableError
from taskyard.loop_session import LoopSession
from taskyard.prepared import Prepared
from waiting import eventually

DOUBLED = Prepared("doubled", "SELECT 2 * %(number)s::integer", "number")


def doublings(*numbers):
    """Double each of them, one statement after the other; what cannot be doubled is a None."""
    doubled = []
    for number in numbers:
        try:
            [(answer,)] = yield Ask(DOUBLED, {"number": number})
        except psycopg2.DataError:
            doubled.append(None)
        else:
            doubled.append(answer)
    return doubled


def asking(statement, **values):
    """Ask one thing, and return the rows."""
    return (yield Ask(statement, values))


@pytest.fixture
def in_loop(database_url):
    """Run a function of a session in an event loop of its own, and return what it returns."""

    def run(use, **options):
        async def main():
            made = LoopSession(database_url, "in a loop", **{"statement_timeout_s": 20.0} | options)
            try:
                return await use(made)
            finally:
                made.close()

        return asyncio.run(main())

    return run


def pids(session):
    """Those of the connections of the loop."""
    return f.rows(session, "SELECT pid FROM pg_stat_activity WHERE application_name = 'in a loop'")


def test_an_asking_has_the_same_answers_in_a_thread_and_in_a_loop(in_loop, session):
    numbers = (1, 2**31, 3)
    in_thread = session.run(lambda cursor: carry(cursor, doublings(*numbers)))
    assert in_thread == [2, None, 6]
    assert in_loop(lambda made: made.run(doublings(*numbers))) == in_thread


def test_a_statement_longer_than_what_a_socket_holds_is_sent_whole(in_loop):
    [(length,)] = in_loop(lambda made: made.run(asking("SELECT length(%(text)s)", text="x" * 20_000_000)))
    assert length == 20_000_000


def test_the_loop_goes_on_while_the_server_works(in_loop, session):
    async def use(made):
        waiting = asyncio.create_task(made.run(asking("SELECT pg_sleep(20)")))
        while not f.rows(session, "SELECT FROM pg_stat_activity WHERE wait_event = 'PgSleep'"):
            assert not waiting.done()
            await asyncio.sleep(0.01)
        waiting.cancel()
        with suppress(asyncio.CancelledError):
            await waiting
        return await made.run(doublings(4))

    assert in_loop(use) == [8]


def test_what_broke_while_idle_or_at_work_is_opened_anew(in_loop, session):
    async def use(made):
        seen = []
        for broken_at in ("idle", "work"):
            await made.run(doublings(1))
            [(pid,)] = pids(session)
            if broken_at == "work":
                working = asyncio.create_task(made.run(asking("SELECT pg_sleep(20)")))
                await asyncio.sleep(0)
            f.run_sql(session, f"SELECT pg_terminate_backend({pid}, 10000)")
            if broken_at == "work":
                with pytest.raises(UnavailableError):
                    await working
            seen += await made.run(doublings(2))
        return seen

    assert in_loop(use) == [4, 4]


def test_a_statement_that_takes_too_long_is_an_absence_and_the_connection_stays(in_loop, session):
    async def use(made):
        await made.run(doublings(1))
        before = pids(session)
        with pytest.raises(UnavailableError, match="statement timeout"):
            await made.run(asking("SELECT pg_sleep(20)"))
        return before == pids(session), await made.run(doublings(3))

    assert in_loop(use, statement_timeout_s=0.2) == (True, [6])


def test_an_error_that_the_asking_does_not_expect_comes_out_and_the_connection_stays(in_loop, session):
    async def use(made):
        await made.run(doublings(1))
        before = pids(session)
        with pytest.raises(psycopg2.errors.DivisionByZero):
            await made.run(asking("SELECT 1 / 0"))
        return before == pids(session), await made.run(doublings(3))

    assert in_loop(use) == (True, [6])


def test_a_connection_that_is_closed_leaves_none_behind(in_loop, session):
    assert in_loop(lambda made: made.run(doublings(1))) == [2]
    eventually(lambda: not pids(session), "the connection is gone")


def test_nobody_listening_and_a_server_that_says_nothing_are_absences(database_url):
    with socket.create_server(("127.0.0.1", 0)) as silent:
        port = silent.getsockname()[1]
        url = make_url(database_url).set(port=port).render_as_string(hide_password=False)

        async def use():
            await LoopSession(url, "in a loop", statement_timeout_s=1.0).run(doublings(1))

        with pytest.raises(UnavailableError, match="no connection within 3 s"):
            asyncio.run(use())
    with pytest.raises(UnavailableError, match="away"):
        asyncio.run(use())
