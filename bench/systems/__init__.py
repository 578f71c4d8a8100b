"""Who takes turns: Taskyard as it comes, Taskyard set up otherwise, and the rivals."""

from bench.systems.place import Place, System
from bench.systems.rivals import Empty, Handwritten, RawCelery
from bench.systems.taskyard import Keyed, Taskyard

SYSTEMS: dict[str, System] = {
    system.name: system
    for system in (
        Empty(),
        Handwritten("early"),
        Handwritten("late"),
        RawCelery("early"),
        RawCelery("late"),
        Taskyard("taskyard", "Taskyard"),
        Taskyard("single", "Taskyard, one id a message", {"TASKYARD_MESSAGE_TASKS": "1"}),
        Keyed(),
    )
}
"""All of them, in the order of their turns: rivals first, since a load on Taskyard may be told in their rates."""

__all__ = ["SYSTEMS", "Place", "System"]
