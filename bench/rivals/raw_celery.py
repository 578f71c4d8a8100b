"""Celery on RabbitMQ without a database and without results: a task that does nothing.

RAW_ACK is `early` (Celery's own defaults), or `late`: a quorum queue, acknowledged after the task ran, one message a
slot at a time. That is how Taskyard's messages travel, without all that it does besides.

celery -A bench.rivals.raw_celery worker --concurrency 2 --loglevel WARNING
python -m bench.rivals.raw_celery COUNT    publishes so many, and prints how many a second that were
"""

import os
import sys
import time

from celery import Celery

LATE = os.environ["RAW_ACK"] == "late"
QUEUE = "raw-late" if LATE else "raw"

app = Celery("raw", broker=os.environ["CELERY_BROKER_URL"])
app.conf.update(task_default_queue=QUEUE, task_ignore_result=True, broker_connection_retry_on_startup=True)
if LATE:
    app.conf.update(task_default_queue_type="quorum", task_acks_late=True, worker_prefetch_multiplier=1)


@app.task(name="nothing")  # type: ignore[untyped-decorator]  # celery carries no types
def nothing() -> None:
    """Do nothing."""


def publish(count: int) -> float:
    """Publish so many tasks over one connection; return how many a second."""
    began = time.monotonic()
    for _ in range(count):
        nothing.delay()
    return count / (time.monotonic() - began)


if __name__ == "__main__":
    print(publish(int(sys.argv[1])))
