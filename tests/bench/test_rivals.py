"""Each rival does the work that it is measured by, on the real servers."""

import json
from collections.abc import Iterator
from contextlib import contextmanager

import psutil
import pytest

from bench import load
from bench.measures.submitting import BODY
from bench.servers import Servers
from bench.systems import SYSTEMS
from bench.turns import QUICK, Turn, turn

LIMIT_S = 60.0


@pytest.fixture
def servers(tmp_path, postgresql, rabbitmq) -> Servers:
    return Servers(tmp_path, postgresql, rabbitmq)


@contextmanager
def a_turn(name, servers) -> Iterator[Turn]:
    with turn(SYSTEMS[name], servers, QUICK, {}) as taken:
        yield taken


def submit(taken) -> dict[str, object]:
    [(_, answer)] = load.one_by_one(load.Request.post(taken.place.port, "/tasks", BODY), 1)
    return json.loads(answer)


@pytest.mark.parametrize("ack", ["early", "late"])
def test_the_handwritten_pattern_records_submits_does_and_shows_a_task(servers, ack):
    with a_turn(f"handwritten-{ack}", servers) as taken:
        task = submit(taken)
        assert task["status"] == "queued"
        taken.start_worker()
        assert taken.system.await_finished(taken.place, 1, LIMIT_S) == 1
        read = load.Request.get(taken.place.port, f"/tasks/{task['id']}")
        [(_, answer)] = load.one_by_one(read, 1)
        shown = json.loads(answer)
        assert (shown["status"], shown["error"]) == ("succeeded", None)
        assert shown["started_at"] <= shown["finished_at"]
        [queue] = [each for each in servers.broker("queues") if each["name"] == f"handwritten-{ack}"]
        assert queue["type"] == {"early": "classic", "late": "quorum"}[ack]
        assert queue["durable"]


@pytest.mark.parametrize("name", ["handwritten-late", "raw", "raw-late"])
def test_a_rival_drains_what_it_was_filled_with(servers, name):
    with a_turn(name, servers) as taken:
        taken.system.fill(taken.place, 20)
        assert servers.rabbitmq.depth(name) == 20
        taken.start_worker()
        assert taken.system.drain(taken.place, 20, LIMIT_S) > 0
        assert servers.rabbitmq.depth(name) == 0


def test_the_empty_post_checks_its_body(servers):
    with a_turn("empty", servers) as taken:
        assert submit(taken)["status"] == "queued"
        for wrong in (b'{"name": ""}', b'{"name": "a", "priority": 10}', b'{"name": "a", "nmae": 1}'):
            with pytest.raises(RuntimeError, match=r"HTTP/1\.1 422"):
                load.one_by_one(load.Request.post(taken.place.port, "/tasks", wrong), 1)


def test_a_turn_leaves_no_process_no_queue_and_no_database(servers):
    before = servers.queues()
    with a_turn("handwritten-early", servers) as taken:
        taken.start_worker()
        submit(taken)
        assert taken.system.await_finished(taken.place, 1, LIMIT_S) == 1
        started = [psutil.Process(command.pid) for command in taken.parts.values()]
        started += [child for process in started for child in process.children(recursive=True)]
    assert len(started) >= 4, "the API, the worker and its two slots"
    assert not any(process.is_running() for process in started)
    assert servers.queues() == before
    there = "SELECT count(*) FROM pg_database WHERE datname = 'bench_turn'"
    assert servers._administer(there) == "0"
