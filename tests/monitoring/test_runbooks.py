"""The commands of the runbooks do what they are to do: SQL fits the tables, PromQL the metrics, calls the API."""

import importlib
import re
from collections.abc import Iterator
from pathlib import Path

import psycopg2
import pytest
from prometheus_client import CollectorRegistry
from sqlalchemy.engine import make_url

from monitoring.alerting import RUNBOOKS
from monitoring.expressions import known_series, misuses
from taskyard_api.settings import ApiSettings

PAGES = sorted(RUNBOOKS.glob("*.md"))
SHELL = re.compile(r"^(kubectl|curl|helm|docker) ")


def blocks(page: Path) -> Iterator[str]:
    """Give the indented blocks of a page."""
    text = page.read_text(encoding="utf-8")
    for block in re.findall(r"(?:^    .*\n)+", text, re.MULTILINE):
        yield re.sub(r"^    ", "", block, flags=re.MULTILINE)


def statements() -> Iterator[tuple[str, str]]:
    for page in PAGES:
        for block in blocks(page):
            without = re.sub(r"--.*", "", block)
            yield from (
                (page.stem, sql.strip()) for sql in re.findall(r"^(?:SELECT|SHOW)\b[^;]*;", without, re.MULTILINE)
            )


def queries() -> Iterator[tuple[str, str]]:
    for page in PAGES:
        for block in blocks(page):
            if not re.match(r"SELECT|SHOW", block):
                yield from ((page.stem, line) for line in block.splitlines() if not SHELL.match(line))


def calls() -> Iterator[tuple[str, str, str]]:
    for page in PAGES:
        for line in page.read_text(encoding="utf-8").splitlines():
            for method, path in re.findall(r"curl (?:-\w+ )*(?:-X (\w+) )?'?localhost:8000(/[^'`? ]*)", line):
                yield page.stem, method or "GET", path


def test_the_pages_were_read():
    assert len(list(statements())) > 20
    assert len(list(queries())) > 20
    assert len(list(calls())) > 20


def test_postgresql_plans_every_statement(database_url):
    parts = make_url(database_url)
    connection = psycopg2.connect(
        host=parts.host, port=parts.port, user=parts.username, password=parts.password, dbname=parts.database
    )
    connection.autocommit = True
    try:
        for page, statement in statements():
            try:
                connection.cursor().execute(statement if statement.startswith("SHOW") else f"EXPLAIN {statement}")
            except psycopg2.Error as error:
                pytest.fail(f"{page}: {error}\n{statement}")
    finally:
        connection.close()


@pytest.mark.parametrize(("page", "query"), list(queries()))
def test_a_query_asks_for_series_that_there_are(page, query):
    del page
    bare_is_fine = [wrong for wrong in misuses(query) if "is a counter" not in wrong]
    assert bare_is_fine == []
    assert any(name in query for name in known_series())


def test_every_call_is_one_of_the_api():
    app = importlib.import_module("taskyard_api.app").create_app(
        ApiSettings(DATABASE_URL="postgresql+psycopg2://nobody@127.0.0.1:1/none"), CollectorRegistry()
    )
    existing = {(method.upper(), path) for path, methods in app.openapi()["paths"].items() for method in methods}
    patterns = [(method, re.sub(r"\{\w+\}", "[^/]+", path)) for method, path in existing]
    unknown = [
        call
        for call in calls()
        if not any(call[1] == method and re.fullmatch(path, call[2]) for method, path in patterns)
    ]
    assert unknown == []
