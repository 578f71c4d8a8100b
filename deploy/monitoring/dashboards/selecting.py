"""What the queries of all dashboards have in common: which release, which queues, which window."""

from collections.abc import Sequence
from typing import Final

from dashboards.grafana import Query, Variable

HERE: Final = 'namespace=~"$namespace", release=~"$release"'
QUEUE: Final = f'{HERE}, queue=~"$queue"'
KIND: Final = f'{QUEUE}, kind=~"$kind"'
SERVERS: Final = f'{HERE}, job=~"(.+/)?taskyard-.+"'
WINDOW: Final = "[$__rate_interval]"

RELEASE: Final = (Variable("namespace", "taskyard_build_info"), Variable("release", "taskyard_build_info"))
QUEUES: Final = Variable("queue", "taskyard_queue_paused")
KINDS: Final = Variable("kind", "taskyard_tasks_finished_total")


def quantiles(histogram: str, labels: str, by: str = "", quantiles: Sequence[float] = (0.5, 0.95, 0.99)) -> list[Query]:
    """Return one query a quantile of a histogram, for each value of the label `by` where one is given."""
    grouped = f"{by}, le" if by else "le"
    legend = f" {{{{{by}}}}}" if by else ""
    buckets = f"sum by ({grouped}) (rate({histogram}_bucket{{{labels}}}{WINDOW}))"
    return [Query(f"histogram_quantile({q}, {buckets})", f"p{q * 100:g}{legend}") for q in quantiles]
