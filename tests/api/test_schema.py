"""The whole API held to its own OpenAPI document: no 5xx, and every answer is one that the document tells of.

Requests are made from the document, good ones and bad ones, and followed along its links. TASKYARD_SCHEMA_CASES says
how many of them, about, in all; TASKYARD_SCHEMA_SEED which. The same seed makes the same requests.
3000 take a minute or two on two cores; 11500 make over 10,000 requests, in four minutes.
"""

import logging
import os
from collections.abc import Iterator

import hypothesis
import pytest
import requests
import schemathesis
from hypothesis import HealthCheck, Phase
from prometheus_client import CollectorRegistry
from schemathesis import GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.config import GenerationConfig
from schemathesis.specs.openapi import checks

from api.keyed import bearing, make_key
from api.served import serving
from statements import factories as f
from taskyard_api.app import create_app
from taskyard_api.settings import ApiSettings

CASES = int(os.environ.get("TASKYARD_SCHEMA_CASES") or 3000)
SEED = int(os.environ.get("TASKYARD_SCHEMA_SEED") or 20260701)
STEPS = 8
TURN = 10
SHORT_POLL_S = 0.02

CHECKS = [
    not_a_server_error,
    checks.status_code_conformance,
    checks.content_type_conformance,
    checks.response_schema_conformance,
    checks.response_headers_conformance,
    checks.negative_data_rejection,
    checks.missing_required_header,
    checks.unsupported_method,
    checks.use_after_free,
]


pytestmark = pytest.mark.timeout(300 + CASES / 5)


def _document():
    settings = ApiSettings(DATABASE_URL="postgresql://nobody@127.0.0.1:1/none")
    return create_app(settings, CollectorRegistry()).openapi()


def _calls():
    for path, calls in _document()["paths"].items():
        for method, call in calls.items():
            takes_anything = bool(call.get("parameters") or call.get("requestBody"))
            for mode in GenerationMode if takes_anything else [GenerationMode.POSITIVE]:
                yield method.upper(), path, mode


CALLS = list(_calls())
EACH = max(2, CASES * 3 // 4 // len(CALLS))  # a quarter is left for following links
RUNS = max(1, CASES // 4 // STEPS)


def _settings(examples):
    return hypothesis.settings(
        max_examples=examples,
        stateful_step_count=STEPS,
        deadline=None,
        database=None,
        print_blob=True,
        suppress_health_check=list(HealthCheck),
        phases=[Phase.generate],  # to shrink what failed takes minutes; the seed brings it again
    )


@pytest.fixture(autouse=True)
def quiet() -> Iterator[None]:
    """Log no request: there are thousands."""
    logging.disable(logging.INFO)
    yield
    logging.disable(logging.NOTSET)


def _begin_anew(session):
    """Have tasks of every sort, the same ones each time: what is answered depends on the requests alone."""
    f.run_sql(session, "ALTER TABLE audit DISABLE TRIGGER USER")
    f.run_sql(session, "TRUNCATE tasks, ready, attempts, moves, counters, audit RESTART IDENTITY")
    f.run_sql(session, "UPDATE queues SET paused = false, dispatch_window = NULL")
    f.insert(session, 3)
    running, failed, succeeded = f.insert(session, 3)
    for task_id in (running, failed, succeeded):
        f.claim(session, task_id)
    f.fail(session, failed)
    f.succeed(session, succeeded)


@pytest.fixture
def served(database_url, session):
    """A server with some tasks, and what a client of it sends with each request."""
    _begin_anew(session)
    headers = bearing(make_key(session, "admin"))
    with serving(DATABASE_URL=database_url, auth="keys", api_rate_per_s=0) as server, requests.Session() as client:
        schema = schemathesis.openapi.from_url(f"http://127.0.0.1:{server.port}/openapi.json")
        # What a path does not know of the query is passed over. The key is always a good one.
        schema.config.generation = GenerationConfig(allow_extra_parameters=False, with_security_parameters=False)
        yield schema, {"session": client, "headers": headers}


def _checks(case):
    """Return what is to hold of an answer to `case`.

    A query has no null and no numbers in a list: as tags they are text once they are sent, and good.
    """
    tags = case.query.get("tag", ()) if isinstance(case.query, dict) else ()
    sent_as_text = bool(tags) and not (isinstance(tags, list) and len(tags) > 20)
    return [check for check in CHECKS if not (sent_as_text and check is checks.negative_data_rejection)]


def _turns(runs):
    """Split `runs`: in a long row the library comes to prefer what it was answered before, and finds itself flaky."""
    return [min(TURN, runs - begun) for begun in range(0, runs, TURN)]


def _shorten(case):
    """Let no long poll take its time."""
    query = case.query if isinstance(case.query, dict) else {}
    wait_s = query.get("wait_s")
    if isinstance(wait_s, int | float) and not isinstance(wait_s, bool) and SHORT_POLL_S < wait_s <= 60:
        query["wait_s"] = SHORT_POLL_S


@pytest.mark.parametrize(("method", "path", "mode"), CALLS, ids=lambda value: getattr(value, "value", value))
def test_every_answer_is_one_that_the_document_tells_of(served, method, path, mode):
    schema, sent_with_each = served
    strategy = schema[path][method].as_strategy(generation_mode=mode)
    answered = 0

    @hypothesis.seed(SEED)
    @_settings(EACH)
    @hypothesis.given(strategy)
    def call(case):
        nonlocal answered
        _shorten(case)
        answer = case.call(**sent_with_each)
        answered += 1
        case.validate_response(answer, checks=_checks(case), headers=sent_with_each["headers"])

    call()
    assert answered


def test_every_answer_along_the_links_is_one_that_the_document_tells_of(served, session):
    schema, sent_with_each = served
    followed = []

    class Client(schema.as_state_machine()):
        """A client that goes on with what it was answered."""

        def setup(self):
            _begin_anew(session)

        def get_call_kwargs(self, case):  # noqa: ARG002 - what the library calls
            return sent_with_each

        def before_call(self, case):
            case.headers.update(sent_with_each["headers"])
            _shorten(case)
            if (case.method, case.path) == ("POST", "/tasks") and isinstance(case.body, dict):
                case.body = {"name": "a task"} | {
                    key: case.body[key] for key in ("tags", "priority") if key in case.body
                }

        def after_call(self, response, case):
            followed.append((case.method, case.path, response.status_code))

        def validate_response(self, response, case, **_):
            case.validate_response(response, checks=_checks(case), headers=sent_with_each["headers"])

    for turn, runs in enumerate(_turns(RUNS)):
        hypothesis.seed(SEED + turn)(Client)
        Client.run(settings=_settings(runs))
    reached = {path for _, path, status in followed if status < 300}
    assert any(path.startswith("/tasks/{task_id}") for path in reached), followed


def test_links_lead_from_a_task_to_all_that_can_be_done_with_it():
    document = _document()
    links = document["paths"]["/tasks"]["post"]["responses"]["201"]["links"]
    targets = {link["operationId"] for link in links.values()}
    assert targets == {
        call["operationId"]
        for path, calls in document["paths"].items()
        for call in calls.values()
        if path.startswith("/tasks/{task_id}")
    }
