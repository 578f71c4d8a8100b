"""What a child tells its parent of an attempt, as the short text that Flower shows as the result."""

from dataclasses import dataclass


class AttemptFailedError(Exception):
    """Raised in Celery's eyes when an attempt did not succeed, so that Flower shows it as failed. Says a report."""


@dataclass(frozen=True, slots=True)
class Report:
    """How an attempt ended: its outcome or reason, the status its task has now, and how long it waited and ran.

    `stale` where the outcome came too late and was dropped.
    """

    outcome: str
    status: str
    waited_s: float
    ran_s: float
    stale: bool = False

    def __str__(self) -> str:
        """Return the text that `parse` reads."""
        stale = " stale" if self.stale else ""
        return f"{self.outcome} status={self.status} waited_s={self.waited_s:.6f} ran_s={self.ran_s:.6f}{stale}"


def parse(text: str) -> list[Report]:
    """Read reports separated by semicolons; what is none is passed over."""
    reports = []
    for part in text.strip("'\"").split("; "):
        words = part.split(" ")
        try:
            values = dict(word.split("=", 1) for word in words[1:4])
            reports.append(
                Report(
                    words[0], values["status"], float(values["waited_s"]), float(values["ran_s"]), "stale" in words[4:]
                )
            )
        except (ValueError, KeyError):
            continue
    return reports
