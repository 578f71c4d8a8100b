"""The API's own documentation: its OpenAPI document, and the page that shows it without anything from elsewhere."""

from collections.abc import Callable
from typing import Any, Final

from fastapi import FastAPI, Response
from fastapi.openapi.docs import get_swagger_ui_html
from fastapi.responses import HTMLResponse, RedirectResponse
from fastapi.staticfiles import StaticFiles

from taskyard_api.problems import Problem, documented

_TASK: Final = ("/tasks/{task_id}", "task_id", "$response.body#/id")
_LEADS: Final = {
    ("/tasks", "post", ("200", "201")): _TASK,
    ("/tasks/batch", "post", ("201",)): (*_TASK[:2], "$response.body#/tasks/0/id"),
    ("/tasks/{task_id}", "get", ("200",)): _TASK,
    ("/tasks/{task_id}", "patch", ("200",)): _TASK,
    ("/tasks/{task_id}/cancel", "post", ("202",)): _TASK,
    ("/tasks/{task_id}/retry", "post", ("202",)): _TASK,
    ("/queues", "get", ("200",)): ("/queues/{name}", "name", "$response.body#/queues/0/name"),
    ("/kinds", "get", ("200",)): ("/kinds/{name}", "name", "$response.body#/kinds/0/name"),
}
"""By call and statuses: to which calls its answer leads, by which parameter, found where."""

_ASSETS: Final = "/docs/assets"


def install(app: FastAPI) -> None:
    """Serve the page at /docs with its assets, send / there, and complete the OpenAPI document."""
    app.add_api_route("/", _root, include_in_schema=False)
    app.add_api_route("/docs", _page, include_in_schema=False, response_class=HTMLResponse)
    app.mount(_ASSETS, StaticFiles(packages=[("fastapi_swagger", "resources")]), name="assets")
    app.openapi = _with_problems(app.openapi)  # type: ignore[method-assign]  # FastAPI's own way to change its schema


async def _root() -> Response:
    return RedirectResponse("docs")


async def _page() -> Response:
    return get_swagger_ui_html(
        openapi_url="openapi.json",
        title="Taskyard",
        swagger_js_url=f"docs/{_ASSETS.removeprefix('/docs/')}/swagger-ui-bundle.js",
        swagger_css_url=f"docs/{_ASSETS.removeprefix('/docs/')}/swagger-ui.css",
        swagger_favicon_url=f"docs/{_ASSETS.removeprefix('/docs/')}/favicon-32x32.png",
    )


def _with_problems(openapi: Callable[[], dict[str, Any]]) -> Callable[[], dict[str, Any]]:
    """Add the problem's schema, and what a key may lack; take out FastAPI's own 422, which this API never answers."""

    def document() -> dict[str, Any]:
        made = openapi()
        schemas = made["components"]["schemas"]
        if "Problem" not in schemas:
            problem = Problem.model_json_schema(ref_template="#/components/schemas/{model}")
            schemas.update(problem.pop("$defs", {}))
            schemas["Problem"] = problem
            schemas.pop("HTTPValidationError", None)
            schemas.pop("ValidationError", None)
            for operation in (call for path in made["paths"].values() for call in path.values()):
                _say_who_may(operation)
            _link(made["paths"])
        return made

    return document


def _link(paths: dict[str, Any]) -> None:
    """Say of each answer that names a task, queue or kind what can be done with it next: OpenAPI's links."""
    for (path, method, statuses), (below, parameter, where) in _LEADS.items():
        links = {
            call["summary"]: {"operationId": call["operationId"], "parameters": {parameter: where}}
            for target, calls in paths.items()
            if target.startswith(below)
            for call in calls.values()
        }
        for status in statuses:
            paths[path][method]["responses"][status]["links"] = links


def _say_who_may(operation: dict[str, Any]) -> None:
    """Complete a call that needs a key with its answers where there is none, or one without the scope."""
    scopes = [scope for needed in operation.get("security", ()) for scope in needed["key"]]
    if scopes:
        refusals = {str(status): answer for status, answer in documented(401, 403, 429).items()}
        refusals["403"]["description"] = f"The key lacks the scope `{'`, `'.join(scopes)}`; `errors` says which."
        operation["responses"] = dict(sorted({**operation["responses"], **refusals}.items()))
