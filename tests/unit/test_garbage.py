"""What is loaded is out of the garbage collector's sight; what comes later is not."""

import gc
import weakref

import pytest

from taskyard import garbage


class Knot:
    """Something that only the collector can free."""

    def __init__(self):
        self.itself = self


@pytest.fixture(autouse=True)
def thawed():
    """The collector as it was."""
    yield
    gc.unfreeze()


def test_what_is_loaded_is_looked_at_no_more_and_what_comes_later_is_still_found():
    loaded = Knot()
    garbage.keep_what_is_loaded()
    assert gc.is_tracked(loaded)
    assert gc.get_freeze_count() > 10_000
    assert not any(each is loaded for each in gc.get_objects())
    late = weakref.ref(Knot())
    assert late() is not None
    gc.collect()
    assert late() is None


def test_garbage_is_not_kept_with_what_is_loaded():
    early = weakref.ref(Knot())
    garbage.keep_what_is_loaded()
    assert early() is None
