"""What is logged is counted by level, by whichever process of a family, and whichever way it is logged."""

import logging
import multiprocessing
import sys

import pytest
import structlog

from taskyard import logs
from taskyard.log_counts import COUNTS, LogCounts
from taskyard.settings import ProcessSettings


def _counted(counts: LogCounts) -> dict[str, float]:
    [family] = counts.collect()
    return {sample.labels["level"]: sample.value for sample in family.samples}


def test_every_level_is_there_from_the_start():
    assert _counted(LogCounts()) == {"debug": 0, "info": 0, "warning": 0, "error": 0, "critical": 0}


@pytest.mark.parametrize(("number", "level"), [(1, "debug"), (15, "debug"), (25, "info"), (99, "critical")])
def test_levels_between_count_as_the_one_below(number, level):
    counts = LogCounts()
    counts.add(number)
    assert _counted(counts)[level] == 1


def test_what_children_count_is_in_the_sum_and_stays_when_they_die():
    counts = LogCounts()
    counts.add(logging.INFO)

    def child(row: int) -> None:
        counts.write_to(row)
        for _ in range(1000):
            counts.add(logging.ERROR)
            counts.add(logging.INFO)

    fork = multiprocessing.get_context("fork")
    children = [fork.Process(target=child, args=(row,)) for row in (1, 2, 257)]
    for process in children:
        process.start()
    for process in children:
        process.join(30)
        assert process.exitcode == 0
    assert (_counted(counts)["info"], _counted(counts)["error"]) == (3001, 3000)


def test_a_row_that_is_not_there_is_refused():
    with pytest.raises(IndexError):
        LogCounts().write_to(512)


def test_lines_of_structlog_and_of_the_standard_library_count_and_what_is_not_logged_does_not(capsys):
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    try:
        logs.configure(ProcessSettings(log_level="info", log_format="json"), "test")
        before = _counted(COUNTS)
        structlog.get_logger("a").warning("one")
        logging.getLogger("b").warning("two")
        structlog.get_logger("a").debug("too quiet")
        logging.getLogger("b").debug("too quiet")
        after = _counted(COUNTS)
    finally:
        root.handlers[:] = handlers
        root.setLevel(level)
        structlog.reset_defaults()
        sys.stderr.flush()
    assert after["warning"] - before["warning"] == 2
    assert after["debug"] == before["debug"]
