"""What verify prints: a table of what was promised and what came of it, and the verdict in its last line."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Final

from taskyard.verify.verdict import Verdict, percentile

_COLUMN: Final = 34


def lines(verdict: Verdict, *, seed: int, took_s: float, sent_again: int) -> Iterable[str]:
    """Give the table of any run."""
    yield ""
    yield row("seed", str(seed))
    yield row("seconds", f"{took_s:.0f}")
    yield row("tasks answered with 201", f"{verdict.promised:,}")
    yield row("requests sent again", f"{sent_again:,}")
    for status, count in sorted(verdict.ended.items()):
        yield row(f"  {status}", f"{count:,}")
    yield row("lost", str(sum(finding.count for finding in verdict.findings if finding.what.startswith("lost"))))
    yield row("completed twice", str(_count(verdict, "completed twice")))
    yield row("attempts per task", histogram(verdict.runs))
    yield row("lost attempt to the next, from starts", recovery(verdict.recoveries_s))


def ending(verdict: Verdict) -> Iterable[str]:
    """Give what was found, and the verdict."""
    for finding in verdict.findings:
        yield f"  FOUND {finding.what}: {finding.count} ({finding.examples})"
    yield "verdict: every promise was kept" if verdict.is_good else "verdict: NOT every promise was kept"


def row(name: str, value: str) -> str:
    """Return one row of the table."""
    return f"  {name:<{_COLUMN}}  {value}"


def histogram(counts: Mapping[int, int]) -> str:
    """Return counts by number, such as "1: 950, 2: 50"."""
    return ", ".join(f"{number}: {count:,}" for number, count in sorted(counts.items())) or "none"


def recovery(ascending_s: Sequence[float]) -> str:
    """Return how long recoveries took."""
    if not ascending_s:
        return "none was lost"
    p50_s, p99_s = percentile(ascending_s, 0.5), percentile(ascending_s, 0.99)
    return f"p50 {p50_s:.1f} s, p99 {p99_s:.1f} s, longest {ascending_s[-1]:.1f} s, of {len(ascending_s)}"


def _count(verdict: Verdict, what: str) -> int:
    return sum(finding.count for finding in verdict.findings if finding.what == what)
