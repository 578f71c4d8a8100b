"""Dashboards as values, and what Grafana makes of them: just the panels and fields that ours use.

A dashboard is rows of panels; a panel asks queries. Places and ids follow from the order.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal

COLUMNS: Final = 24
SCHEMA_VERSION: Final = 39
DATASOURCE: Final = {"type": "prometheus", "uid": "${datasource}"}

Json = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Query:
    """A PromQL expression, and how its series are called."""

    expression: str
    legend: str = ""


@dataclass(frozen=True, slots=True)
class Panel:
    """One panel. `description` says what bad looks like. `warn` and `alarm` are values from which it is colored.

    `width` of 24 columns, `height` in Grafana's units of 30 pixels. `none` is shown where there is no value. `columns`
    names the columns of a table: one for each label to keep, then one for each query.
    """

    title: str
    description: str
    unit: str
    queries: Sequence[Query]
    kind: Literal["timeseries", "stat", "heatmap", "table"] = "timeseries"
    width: int = 8
    height: int = 8
    warn: float | None = None
    alarm: float | None = None
    stacked: bool = False
    at_most: float | None = None
    none: str = ""
    columns: Sequence[tuple[str, str]] = ()


def stat(
    title: str,
    description: str,
    unit: str,
    expression: str,
    *,
    warn: float | None = None,
    alarm: float | None = None,
    none: str = "",
) -> Panel:
    """Return a small panel with one number."""
    return Panel(title, description, unit, [Query(expression)], "stat", 3, 4, warn=warn, alarm=alarm, none=none)


@dataclass(frozen=True, slots=True)
class Row:
    """Panels under a heading."""

    title: str
    panels: Sequence[Panel]


@dataclass(frozen=True, slots=True)
class Variable:
    """A choice at the top of a dashboard: the values of `label` of `series`, several or all at once."""

    name: str
    series: str


@dataclass(frozen=True, slots=True)
class Dashboard:
    """One dashboard. Its `uid` is part of links to it, and never changes."""

    uid: str
    title: str
    description: str
    rows: Sequence[Row]
    variables: Sequence[Variable] = ()


def render(dashboard: Dashboard, others: Sequence[Dashboard]) -> Json:
    """Return the dashboard as Grafana imports it, with links to the `others`."""
    links = [other for other in others if other.uid != dashboard.uid]
    return {
        "annotations": {"list": [_versions()]},
        "description": dashboard.description,
        "editable": False,
        "graphTooltip": 1,
        "links": [_link(other) for other in links],
        "panels": _places(dashboard.rows),
        "refresh": "30s",
        "schemaVersion": SCHEMA_VERSION,
        "tags": ["taskyard"],
        "templating": {"list": [_datasource(), *(_variable(each) for each in dashboard.variables)]},
        "time": {"from": "now-3h", "to": "now"},
        "timezone": "browser",
        "title": dashboard.title,
        "uid": dashboard.uid,
    }


def _link(other: Dashboard) -> Json:
    return {
        "asDropdown": False,
        "icon": "dashboard",
        "includeVars": True,
        "keepTime": True,
        "targetBlank": False,
        "title": other.title,
        "type": "link",
        "url": f"/d/{other.uid}",
    }


def _versions() -> Json:
    """Mark when a version began to run."""
    running = 'group by (version) (taskyard_build_info{namespace=~"$namespace", release=~"$release"})'
    return {
        "datasource": DATASOURCE,
        "enable": True,
        "expr": f"{running} unless {running.replace('})', '} offset 5m)')}",
        "iconColor": "blue",
        "name": "Versions",
        "step": "60s",
        "titleFormat": "version {{version}}",
    }


def _datasource() -> Json:
    return {"label": "Data source", "name": "datasource", "query": "prometheus", "type": "datasource"}


def _variable(variable: Variable) -> Json:
    return {
        # Also matches series without the label, as they are outside Kubernetes.
        "allValue": ".*",
        "current": {"selected": True, "text": ["All"], "value": ["$__all"]},
        "datasource": DATASOURCE,
        "includeAll": True,
        "label": variable.name.capitalize(),
        "multi": True,
        "name": variable.name,
        "query": {"query": f"label_values({variable.series}, {variable.name})", "refId": "A"},
        "refresh": 2,  # when the time range changes
        "sort": 1,
        "type": "query",
    }


def _places(rows: Sequence[Row]) -> list[Json]:
    """Give each panel its id and place: from left to right, and below when a line is full."""
    placed: list[Json] = []
    y = 0
    for row in rows:
        placed.append(_place(len(placed), {"collapsed": False, "panels": [], "title": row.title, "type": "row"}, 0, y))
        y += 1
        x = line_height = 0
        for panel in row.panels:
            if x + panel.width > COLUMNS:
                x, y, line_height = 0, y + line_height, 0
            placed.append(_place(len(placed), _panel(panel), x, y, panel.width, panel.height))
            x += panel.width
            line_height = max(line_height, panel.height)
        y += line_height
    return placed


def _place(before: int, panel: Json, x: int, y: int, width: int = COLUMNS, height: int = 1) -> Json:
    return {"id": before + 1, "gridPos": {"h": height, "w": width, "x": x, "y": y}, **panel}


def _panel(panel: Panel) -> Json:
    return {
        "datasource": DATASOURCE,
        "description": panel.description,
        "fieldConfig": {"defaults": _defaults(panel), "overrides": []},
        "options": _OPTIONS[panel.kind],
        "targets": [_target(panel, number, query) for number, query in enumerate(panel.queries)],
        "title": panel.title,
        "type": panel.kind,
        **({"transformations": _as_columns(panel)} if panel.kind == "table" else {}),
    }


def _target(panel: Panel, number: int, query: Query) -> Json:
    instant = panel.kind in ("stat", "table")
    formats = {"table": "table", "heatmap": "heatmap"}
    return {
        "datasource": DATASOURCE,
        "expr": query.expression,
        "format": formats.get(panel.kind, "time_series"),
        "instant": instant,
        "legendFormat": query.legend or "__auto",
        "range": not instant,
        "refId": chr(ord("A") + number),
    }


def _defaults(panel: Panel) -> Json:
    steps: list[Json] = [{"color": "green", "value": None}]
    if panel.warn is not None:
        steps.append({"color": "orange", "value": panel.warn})
    if panel.alarm is not None:
        steps.append({"color": "red", "value": panel.alarm})
    lines = {"mode": "line" if len(steps) > 1 else "off"}
    custom = {
        "fillOpacity": 30 if panel.stacked else 0,
        "showPoints": "never",
        "stacking": {"mode": "normal" if panel.stacked else "none"},
        "thresholdsStyle": lines,
    }
    return {
        "color": {"mode": "thresholds" if panel.kind == "stat" else "palette-classic"},
        "min": 0,
        **({"max": panel.at_most} if panel.at_most is not None else {}),
        **({"noValue": panel.none} if panel.none else {}),
        "thresholds": {"mode": "absolute", "steps": steps},
        "unit": panel.unit,
        **({"custom": custom} if panel.kind == "timeseries" else {}),
    }


def _as_columns(panel: Panel) -> list[Json]:
    """Join the queries of a table by their labels, and name its columns."""
    values = [f"Value #{chr(ord('A') + number)}" for number in range(len(panel.queries))]
    names = dict(panel.columns[: -len(values)]) | {
        value: name for value, (_, name) in zip(values, panel.columns[-len(values) :], strict=True)
    }
    order = {field: place for place, field in enumerate(names)}
    options = {"excludeByName": {"Time": True}, "indexByName": order, "renameByName": names}
    return [{"id": "merge", "options": {}}, {"id": "organize", "options": options}]


_OPTIONS: Final[dict[str, Json]] = {
    "timeseries": {
        "legend": {"calcs": ["lastNotNull", "max"], "displayMode": "table", "placement": "bottom", "showLegend": True},
        "tooltip": {"mode": "multi", "sort": "desc"},
    },
    "stat": {
        "colorMode": "value",
        "graphMode": "none",
        "reduceOptions": {"calcs": ["lastNotNull"], "fields": "", "values": False},
        "textMode": "auto",
    },
    "heatmap": {
        "calculate": False,
        "color": {"mode": "scheme", "scheme": "Oranges", "steps": 64},
        "legend": {"show": False},
        "yAxis": {"unit": "s"},
    },
    "table": {"cellHeight": "sm", "showHeader": True, "sortBy": [{"desc": True, "displayName": "Failed"}]},
}
