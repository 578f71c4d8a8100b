"""What the URL of the database says is what libpq is told."""

from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from taskyard.database import dsn, read_url
from taskyard.settings import with_driver

TEXTS = st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=1, max_size=20)


@given(user=TEXTS, password=TEXTS, database=TEXTS)
def test_names_and_passwords_are_read_as_they_were_written(user, password, database):
    written = [quote(part, safe="") for part in (user, password, database)]
    url = with_driver("postgres://{}:{}@[::1]:5433/{}?sslmode=require".format(*written))
    assert isinstance(url, str)
    assert url.startswith("postgresql+psycopg2://")
    assert read_url(url) == {
        "user": user,
        "password": password,
        "host": "::1",
        "port": "5433",
        "dbname": database,
        "sslmode": "require",
    }


def test_what_the_url_asks_for_comes_before_our_own():
    made = dsn("postgresql://h/d?application_name=mine&connect_timeout=9", "ours", 5.0, "-c work_mem=1MB")
    assert (made["application_name"], made["connect_timeout"]) == ("mine", "9")
    assert "statement_timeout=5000" in made["options"]
    assert made["options"].endswith("-c work_mem=1MB")


@pytest.mark.parametrize("url", ["mysql://h/d", "postgresql://u:p/w@h/d", "postgresql://h/d?colour=blue"])
def test_what_is_no_such_url_is_refused(url):
    with pytest.raises(ValueError, match="must b"):
        with_driver(url)
