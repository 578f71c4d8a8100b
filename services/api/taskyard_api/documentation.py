"""The API's own documentation: its OpenAPI document, and the page that shows it without anything from elsewhere."""

from collections.abc import Callable
from typing import Any, Final

from fastapi import FastAPI, Response
from fastapi.openapi.docs import get_swagger_ui_html
from fastapi.responses import HTMLResponse, RedirectResponse
from fastapi.staticfiles import StaticFiles

from taskyard_api.problems import Problem, documented

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
        return made

    return document


def _say_who_may(operation: dict[str, Any]) -> None:
    """Complete a call that needs a key with its answers where there is none, or one without the scope."""
    scopes = [scope for needed in operation.get("security", ()) for scope in needed["key"]]
    if scopes:
        refusals = {str(status): answer for status, answer in documented(401, 403, 429).items()}
        refusals["403"]["description"] = f"The key lacks the scope `{'`, `'.join(scopes)}`; `errors` says which."
        operation["responses"] = dict(sorted({**operation["responses"], **refusals}.items()))
