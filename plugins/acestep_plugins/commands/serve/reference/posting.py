"""Paths of the reference that are posted to: bodies are read, answers and refusals are in the envelope."""

from collections.abc import Awaitable, Callable
from typing import Any

from fastapi import APIRouter, Request

from acestep_core.errors import UserError
from acestep_plugins.commands.serve.reference.bodies import WrongKey, body_of
from acestep_plugins.commands.serve.reference.envelope import refused, refused_by
from acestep_plugins.commands.serve.service import Service

Body = dict[str, Any]
Work = Callable[[Body], Awaitable[Any]]
Posted = Callable[[str], Callable[[Work], Work]]
ANY_OBJECT = {"requestBody": {"content": {"application/json": {"schema": {"type": "object"}}}}}


def posting(router: APIRouter, service: Service) -> Posted:
    """posted("/path") is a decorator of what answers a body."""

    def posted(path: str) -> Callable[[Work], Work]:
        def add(work: Work) -> Work:
            async def handle(request: Request) -> Any:
                try:
                    return await work(await body_of(request, service))
                except WrongKey as e:
                    return refused(e, 401)
                except UserError as e:
                    return refused_by(e)

            handle.__doc__ = work.__doc__
            router.post(path, name=work.__name__, openapi_extra=ANY_OBJECT)(handle)
            return work

        return add

    return posted
