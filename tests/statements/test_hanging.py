"""A part that stands still, stopped or cut off, inside a transaction."""

import pytest

from statements import factories as f
from taskyard.database import Session
from taskyard.errors import UnavailableError
from taskyard.statements import dispatching
from waiting import eventually


def stand_still(session, until, what):
    """Lead `record`, and hold a transaction open without a word until something is true, then go on."""
    with session.transaction() as cursor:
        assert dispatching.lead(cursor, "record")
        eventually(until, what, 30)
        cursor.execute("SELECT 1")


def test_who_stands_still_inside_a_transaction_holds_no_leadership_for_long(database_url, session):
    """Its kernel answers for it: nothing but the server's patience ends such a connection."""
    frozen = Session(database_url, "frozen")
    with pytest.raises(UnavailableError):
        stand_still(frozen, lambda: session.run(dispatching.lead, "record"), "another leads")


def test_a_transaction_that_the_server_ended_is_an_absence_and_the_session_goes_on(database_url, session):
    impatient = Session(database_url, "impatient", options="-c idle_in_transaction_session_timeout=200")

    def is_ended():
        return not f.rows(session, "SELECT FROM pg_stat_activity WHERE application_name = 'impatient'")

    with pytest.raises(UnavailableError):
        stand_still(impatient, is_ended, "the server ended it")
    assert f.rows(impatient, "SELECT 1") == [(1,)]
    impatient.close()
