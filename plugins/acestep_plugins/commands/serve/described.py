"""The OpenAPI of a server, in which a submission is one of its kinds of jobs with that kind's own request."""

from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi

from acestep_plugins.commands.serve.service import Service


def describe(app: FastAPI, service: Service) -> None:
    """Have the app tell the requests of its kinds."""

    def openapi() -> dict[str, Any]:
        if not app.openapi_schema:
            told = get_openapi(title=app.title, version=app.version, routes=app.routes)
            schemas = told["components"]["schemas"]
            general = schemas["Submission"]
            for name, schema in service.schemas().items():
                schemas[f"request_{name}"] = schema
            schemas["Submission"] = {"anyOf": [_of_kind(general, name) for name in service.kinds]}
            app.openapi_schema = told
        return app.openapi_schema

    app.openapi = openapi  # as FastAPI documents it


def _of_kind(general: dict[str, Any], name: str) -> dict[str, Any]:
    own = {"kind": {"const": name}, "request": {"$ref": f"#/components/schemas/request_{name}"}}
    return {**general, "title": name, "properties": {**general["properties"], **own}}
