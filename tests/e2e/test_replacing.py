"""An upgrade while people work: every part is replaced, one after the other, and nobody notices."""

import itertools
import signal
import sys
import threading
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import httpx
import pytest

from e2e.previous_version import NoHistoryError, previous
from e2e.stack import HERE, free_port
from statements import factories as f
from waiting import eventually

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(1200)]

SUBMITTERS = 6
DRAIN_S = 2
PATIENCE_S = 240  # for starts and ends; a busy machine takes its time
NEWER = """
    DO $$ DECLARE t regclass; BEGIN
      FOR t IN SELECT oid FROM pg_class WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace
               AND relname <> 'alembic_version'
      LOOP EXECUTE 'ALTER TABLE ' || t || ' ADD COLUMN newer text NOT NULL DEFAULT ''new'''; END LOOP;
    END $$;
    UPDATE alembic_version SET version_num = '9999'
"""


class Addresses:
    """Where an API serves, as a load balancer knows it: each request goes to the next, and none is sent twice."""

    def __init__(self):
        self._known = ()
        self._turn = itertools.count()

    def add(self, address):
        self._known = (*self._known, address)

    def remove(self, address):
        self._known = tuple(known for known in self._known if known != address)

    def next(self):
        known = self._known
        return known[next(self._turn) % len(known)]


class Submitters:
    """Clients that submit a task, wait for its end, and submit the next; they note what failed."""

    def __init__(self, addresses):
        self._addresses = addresses
        self.ids = []
        self.failures = []
        self.closing = set()

    def run(self, number, stop):
        clients: dict[str, httpx.Client] = {}
        for turn in itertools.count():
            if stop.is_set():
                break
            # Some run for longer than it takes to tell a worker to end.
            nap = {"seconds": 2.0 if turn % 8 == number else 0.05}
            task = self._ask(clients, "POST", "/tasks", json={"name": "nap", "kind": "sleep", "payload": nap})
            if task:
                self.ids.append(task["id"])
            while task and task["status"] != "succeeded" and not stop.is_set():
                task = self._ask(clients, "GET", f"/tasks/{task['id']}?wait_s=2")
        for client in clients.values():
            client.close()

    def _ask(self, clients, method, path, **options):
        address = self._addresses.next()
        if address not in clients:
            clients[address] = httpx.Client(base_url=address, timeout=60)
        try:
            answer = clients[address].request(method, path, **options)
        except httpx.HTTPError as error:
            self.failures.append(f"{method} {address}{path}: {error!r}")
            return None
        if answer.headers.get("connection") == "close":
            self.closing.add(address)
        if answer.status_code not in (200, 201):
            self.failures.append(f"{method} {address}{path}: {answer.status_code} {answer.text}")
            return None
        return answer.json()

    @contextmanager
    def at_work(self):
        stop = threading.Event()
        with ThreadPoolExecutor(SUBMITTERS) as threads:
            running = [threads.submit(self.run, number, stop) for number in range(SUBMITTERS)]
            try:
                yield self
            finally:
                stop.set()
            for one in running:
                one.result()


class Deployment:
    """One of each part, of a version of the code; `None` is today's."""

    def __init__(self, taskyard, session, owner):
        self.taskyard = taskyard
        self.session = session
        self.owner = owner
        self.addresses = Addresses()
        self.submitters = Submitters(self.addresses)

    def part(self, name, version, **environment):
        environment["TASKYARD_LEASE_S"] = "30"  # so that a busy machine is not taken for a lost worker
        if version is None:
            return self.taskyard.part(name, **environment)
        environment["PYTHONPATH"] = ":".join([*version.path, str(HERE)])
        if not version.knows_roles:  # its parts go on with the login that they had
            environment |= {"DATABASE_URL": self.owner, "CELERY_BROKER_URL": self.taskyard.rabbitmq.url}
        return self.taskyard.part(name, version.words(name, sys.executable), **environment)

    def api(self, version):
        port = str(free_port())
        api = self.part("api", version, TASKYARD_API_PORT=port, TASKYARD_API_DRAIN_S=str(DRAIN_S))
        api.address = f"http://127.0.0.1:{port}"
        eventually(lambda: httpx.get(f"{api.address}/readyz").status_code == 200, f"{api.log}: ready", PATIENCE_S)
        self.addresses.add(api.address)
        return api

    def dispatcher(self, version):
        dispatcher = self.part("dispatcher", version)
        eventually(lambda: dispatcher.said("dispatcher runs"), f"{dispatcher.log}: runs", PATIENCE_S)
        return dispatcher

    def worker(self, version):
        worker = self.part("worker", version)
        name = worker.environment["TASKYARD_WORKER_NAME"]
        eventually(lambda: worker.said("worker runs"), f"{worker.log}: runs", PATIENCE_S)
        if self.submitters.ids:
            eventually(lambda: self.ended_by(name), f"{name} has its share", PATIENCE_S)
        return worker

    def ended_by(self, worker):
        return f.rows(self.session, "SELECT count(*) FROM attempts WHERE worker = %s", worker)[0][0] > 3

    def goes_on(self):
        """Wait until what is submitted from now on has ended."""
        begun = len(self.submitters.ids) + 2 * SUBMITTERS
        eventually(lambda: len(self.submitters.ids) > begun, "tasks are submitted and end", PATIENCE_S)

    def take_out(self, api):
        """End an API as a load balancer has it, which hears of it when it is on its way already."""
        api.signal(signal.SIGTERM)
        eventually(lambda: api.address in self.submitters.closing, "it sends its clients elsewhere", PATIENCE_S)
        self.addresses.remove(api.address)
        assert api.process.wait(PATIENCE_S) == 0


def replace_all(deployment, before, after):
    """Bring every part from one version to another under load, workers first; prove that nobody noticed."""
    api, dispatcher, worker = deployment.api(before), deployment.dispatcher(before), deployment.worker(before)
    with deployment.submitters.at_work() as submitters:
        deployment.goes_on()
        new_worker = deployment.worker(after)
        assert worker.stop(PATIENCE_S) == 0
        deployment.goes_on()
        new_dispatcher = deployment.dispatcher(after)
        assert dispatcher.stop(PATIENCE_S) == 0
        deployment.goes_on()
        new_api = deployment.api(after)
        deployment.goes_on()
        deployment.take_out(api)
        deployment.goes_on()
    assert submitters.failures == []
    session = deployment.session
    unfinished = "SELECT count(*) FROM tasks WHERE finished_at IS NULL"
    eventually(lambda: f.rows(session, unfinished) == [(0,)], "all have ended", PATIENCE_S)
    ids = [task_id for (task_id,) in f.rows(session, "SELECT id FROM tasks ORDER BY id")]
    assert ids == sorted(submitters.ids)
    outcomes = Counter(f.rows(session, "SELECT outcome, reason, attempt FROM attempts"))
    assert outcomes == {("succeeded", None, 1): len(ids)}
    assert f.rows(session, "SELECT count(*) FROM ready") == [(0,)]
    return new_api, new_dispatcher, new_worker


@pytest.fixture
def deployment(taskyard, session, database_url):
    return Deployment(taskyard, session, database_url)


def test_every_part_is_replaced_and_nobody_notices(deployment, session):
    """On tables of the next version, as this version will meet them in an upgrade."""
    f.run_sql(session, NEWER)
    replace_all(deployment, None, None)


@pytest.fixture
def version_before(tmp_path):
    try:
        return previous(tmp_path / "before")
    except (NoHistoryError, OSError) as error:
        pytest.skip(f"the version before is not in this clone: {error}")


def test_the_version_before_works_beside_this_one_and_gives_way_to_it(deployment, version_before):
    """On the tables of this version. Each old part works together with each new one on the way."""
    replace_all(deployment, version_before, None)


def test_an_upgrade_can_be_undone_under_load(deployment, version_before):
    replace_all(deployment, None, version_before)
