"""The dashboards: what is committed is what is generated, Grafana can show it, and every query makes sense."""

import json
import re
from pathlib import Path
from typing import Any

import pytest
from dashboards.__main__ import ALL, FOLDER, text

from monitoring.expressions import misuses
from monitoring.filling import filled

REPOSITORY = Path(__file__).parents[2]
DASHBOARDS = {name: json.loads((FOLDER / f"{name}.json").read_text(encoding="utf-8")) for name in ALL}
UNITS = {"short", "s", "ops", "reqps", "bytes", "percentunit"}

Json = dict[str, Any]


PANELS = [
    pytest.param(dashboard, panel, id=f"{name}-{panel['title']}")
    for name, dashboard in DASHBOARDS.items()
    for panel in dashboard["panels"]
    if panel["type"] != "row"
]
"""Every panel but the headings, each with its dashboard."""


def variables(dashboard: Json) -> set[str]:
    return {variable["name"] for variable in dashboard["templating"]["list"]}


def test_what_is_committed_is_what_is_generated():
    assert {path.name for path in FOLDER.iterdir()} == {f"{name}.json" for name in ALL}
    for name, dashboard in ALL.items():
        assert (FOLDER / f"{name}.json").read_text(encoding="utf-8") == text(dashboard), "run `make dashboards`"


def test_links_and_uids():
    uids = [dashboard["uid"] for dashboard in DASHBOARDS.values()]
    assert len(uids) == len(set(uids))
    for dashboard in DASHBOARDS.values():
        assert {link["url"] for link in dashboard["links"]} == {f"/d/{uid}" for uid in uids if uid != dashboard["uid"]}


@pytest.mark.parametrize("dashboard", DASHBOARDS.values(), ids=DASHBOARDS)
def test_a_dashboard_follows_its_data_source(dashboard):
    assert dashboard["editable"] is False
    assert dashboard["description"]
    assert dashboard["templating"]["list"][0] == {
        "label": "Data source",
        "name": "datasource",
        "query": "prometheus",
        "type": "datasource",
    }
    whole = json.dumps(dashboard)
    assert whole.count('"datasource": {"type": "prometheus", "uid": "${datasource}"}') == whole.count('"datasource": ')
    assert all(variable.get("refresh", 2) == 2 for variable in dashboard["templating"]["list"])


@pytest.mark.parametrize("dashboard", DASHBOARDS.values(), ids=DASHBOARDS)
def test_panels_have_ids_of_their_own_and_do_not_overlap(dashboard):
    ids = [panel["id"] for panel in dashboard["panels"]]
    assert len(ids) == len(set(ids))
    taken = set()
    for panel in dashboard["panels"]:
        place = panel["gridPos"]
        assert place["x"] + place["w"] <= 24
        cells = {
            (x, y)
            for x in range(place["x"], place["x"] + place["w"])
            for y in range(place["y"], place["y"] + place["h"])
        }
        assert not cells & taken, panel["title"]
        taken |= cells


@pytest.mark.parametrize("dashboard", DASHBOARDS.values(), ids=DASHBOARDS)
def test_every_variable_is_used_and_every_one_used_is_there(dashboard):
    queries = json.dumps([panel.get("targets", []) for panel in dashboard["panels"]])
    used = set(re.findall(r"\$(?!__)\{?(\w+)", queries))
    assert used == variables(dashboard)


@pytest.mark.parametrize(("dashboard", "panel"), PANELS)
def test_a_panel_says_what_it_shows_and_in_which_unit(dashboard, panel):
    assert panel["title"]
    assert len(panel["description"]) > 15
    assert panel["fieldConfig"]["defaults"]["unit"] in UNITS
    assert panel["targets"]
    letters = [target["refId"] for target in panel["targets"]]
    assert len(letters) == len(set(letters))
    for page in re.findall(r"docs/runbooks/\w+\.md", panel["description"]):
        assert (REPOSITORY / page).exists(), page


@pytest.mark.parametrize(("dashboard", "panel"), PANELS)
def test_the_queries_of_a_panel_ask_for_series_that_there_are(dashboard, panel):
    for target in panel["targets"]:
        assert list(misuses(filled(target["expr"]))) == []


@pytest.mark.parametrize(("dashboard", "panel"), PANELS)
def test_rates_follow_the_resolution(dashboard, panel):
    for target in panel["targets"]:
        windows = re.findall(r"\b(?:i?rate)\(.*?\[(.*?)\]", target["expr"])
        assert set(windows) <= {"$__rate_interval"}
        assert target["instant"] or "$__range" not in target["expr"]


@pytest.mark.parametrize(("dashboard", "panel"), PANELS)
def test_a_legend_shows_labels_that_the_query_leaves(dashboard, panel):
    for target in panel["targets"]:
        shown = set(re.findall(r"\{\{(\w+)\}\}", target["legendFormat"]))
        kept = {name for names in re.findall(r"\bby \(([^)]*)\)", target["expr"]) for name in names.split(", ")}
        assert shown <= (kept or {"job", "instance", "queue"}), target["expr"]


@pytest.mark.parametrize("dashboard", DASHBOARDS.values(), ids=DASHBOARDS)
def test_variables_and_marks_ask_for_series_that_there_are(dashboard):
    for variable in dashboard["templating"]["list"][1:]:
        series, label = re.fullmatch(r"label_values\((\w+), (\w+)\)", variable["query"]["query"]).groups()
        assert list(misuses(f'rate({series}{{{label}=""}}[1m])')) == []
    for annotation in dashboard["annotations"]["list"]:
        assert list(misuses(filled(annotation["expr"]))) == []
