"""What keeps the page from starting is said in a sentence."""

import socket
from collections.abc import Callable
from typing import Any

import pytest

pytest.importorskip("gradio", reason="the extra 'ui' is not installed")


@pytest.fixture
def taken() -> Any:
    """A port that somebody else has, and does not answer at."""
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        yield other.getsockname()[1]


def test_a_port_that_is_taken(cli: Callable, taken: int):
    outcome = cli("ui", "--port", str(taken))
    assert outcome.code == 1
    assert f"Port {taken} cannot be had" in outcome.err and "--port 0" in outcome.err


def test_a_server_that_does_not_answer(cli: Callable, taken: int):
    outcome = cli("ui", "--port", "0", "--server", f"http://127.0.0.1:{taken}")
    assert outcome.code == 1
    assert "does not answer" in outcome.err


def test_an_address_that_is_none(cli: Callable):
    outcome = cli("ui", "--port", "0", "--server", "nonsense")
    assert outcome.code == 1 and "Traceback" not in outcome.err
