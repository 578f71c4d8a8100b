"""What is measured. One module a subject, one `Measure` a module or a few.

How to add a measure:

1. Write a module here with a function that takes a `Turn` and returns figures (names and numbers). `turn.place` has
   the port of the system's API, its database (`turn.place.value("SELECT …")`) and the servers; `turn.start_worker()`
   brings its worker; `bench.load` makes requests; `turn.sizes` says how much is asked for. A size of your own is a
   field of `Sizes`, and of `QUICK`, in `bench.turns`.
2. Build a `Measure` of it: its `group`, its `systems` (names in `bench.systems.SYSTEMS`), and a `Figure` for each row
   of the table, with its `Target`s. Measures of one group share a turn, in the order below: choose a new group where
   tables must be empty or full, or where processes are to be new.
3. Name it in `ALL`. `make bench ARGS="--only NAME --quick"` runs it alone.

A turn begins with an empty database and broker, the API and the dispatcher, and no worker. Whatever a measure starts
otherwise it starts by `turn.start`, so that it ends with the turn.
"""

from bench.measures.backlog import BACKLOG
from bench.measures.batches import BATCHES
from bench.measures.cost import COST
from bench.measures.draining import DRAINING
from bench.measures.held import HELD
from bench.measures.history import HISTORY
from bench.measures.keys import KEYS
from bench.measures.queues import QUEUES
from bench.measures.reading import READING
from bench.measures.shape import Figure, Measure, Target
from bench.measures.starting import STARTING
from bench.measures.submitting import SUBMITTING
from bench.measures.sustaining import SUSTAINING

ALL: tuple[Measure, ...] = (
    SUBMITTING,
    BATCHES,
    READING,
    KEYS,
    DRAINING,
    STARTING,
    COST,
    SUSTAINING,
    BACKLOG,
    HISTORY,
    HELD,
    QUEUES,
)

__all__ = ["ALL", "Figure", "Measure", "Target"]
