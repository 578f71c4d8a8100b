"""How long the handlers of each kind took lately, and when that is news."""

from typing import Final

_WEIGHT: Final = 0.05
_NEWS: Final = 0.25
_SHORTEST_S: Final = 1e-5


class RunTimes:
    """A mean by kind in which each run weighs a twentieth, so that about the last fifty count."""

    def __init__(self) -> None:
        self._mean_s: dict[str, float] = {}
        self._told_s: dict[str, float] = {}

    def note(self, kind: str, run_s: float) -> None:
        """Take a run of `kind` into account."""
        run_s = max(run_s, _SHORTEST_S)
        mean_s = self._mean_s.get(kind, run_s)
        self._mean_s[kind] = mean_s + _WEIGHT * (run_s - mean_s)

    def news(self) -> dict[str, float]:
        """Return the means that changed by more than a quarter since they were last returned."""
        changed = {kind: mean_s for kind, mean_s in list(self._mean_s.items()) if self._is_news(kind, mean_s)}
        self._told_s.update(changed)
        return changed

    def _is_news(self, kind: str, mean_s: float) -> bool:
        told_s = self._told_s.get(kind)
        return told_s is None or abs(mean_s - told_s) > _NEWS * told_s
