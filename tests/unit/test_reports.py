"""What a child says of an attempt, its parent understands."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from taskyard.states import Reason, Status
from taskyard_worker.reports import Report, parse

seconds = st.floats(0, 1e6).map(lambda value: round(value, 6))
reports = st.builds(
    Report,
    outcome=st.sampled_from(["succeeded", *map(str, Reason)]),
    status=st.sampled_from([*map(str, Status), "unknown"]),
    waited_s=seconds,
    ran_s=seconds,
    stale=st.booleans(),
)


@given(st.lists(reports, max_size=5))
def test_reports_survive_being_text(wanted):
    text = "; ".join(str(report) for report in wanted) or "nothing to do"
    assert parse(text) == [
        Report(r.outcome, r.status, pytest.approx(r.waited_s), pytest.approx(r.ran_s), r.stale) for r in wanted
    ]


@given(st.text())
def test_what_is_no_report_is_passed_over(text):
    assert all(isinstance(report, Report) for report in parse(text))
