"""How often and how far apart a task is tried."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """Delays between attempts: they grow by `factor` from `first_s` up to `longest_s`, in seconds."""

    first_s: float = 1.0
    factor: float = 2.0
    longest_s: float = 3600.0

    def delay_s(self, tries: int, dice: float) -> float:
        """Seconds to wait after the try number `tries` (from 1) failed.

        `dice` in [0, 1) spreads the retries of tasks that failed together over the whole interval ("full jitter";
        source: M. Brooker, "Exponential Backoff And Jitter", 2015).
        """
        return dice * min(self.longest_s, self.first_s * self.factor ** min(tries - 1, 63))
