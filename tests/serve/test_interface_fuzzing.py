"""Requests that fit the described interface, and that do not: never a failure of ours, never an answer too late."""

from __future__ import annotations

import json
import subprocess
import warnings
from typing import Any
from urllib.request import urlopen

import pytest

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # what it says of its own libraries
    import schemathesis
    from hypothesis import HealthCheck, Phase, settings
    from schemathesis import Case
    from schemathesis.checks import not_a_server_error
    from schemathesis.specs.openapi.checks import content_type_conformance, response_schema_conformance

SECONDS = 5.0
"""The longest that any answer may take."""
Running = tuple[subprocess.Popen[bytes], int]


def ask_everything(port: int, examples: int) -> int:
    """So many requests of every route; returns how many there were in all.

    Made-up identifiers are of nothing, so every other request that reads something asks for what is there.
    """
    known = {"source": _first(port, "sources", "sources")["id"], "item": _first(port, "search?q=red", "hits")["id"]}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        schema = schemathesis.openapi.from_url(f"http://127.0.0.1:{port}/v1/openapi.json")
        count = 0
        for found in schema.get_all_operations():
            operation = found.ok()
            if operation.path.endswith("/events"):
                continue

            @settings(
                max_examples=examples,
                deadline=None,
                derandomize=True,
                database=None,
                phases=[Phase.generate],
                suppress_health_check=list(HealthCheck),
            )
            @schemathesis_given(operation)
            def ask(case: Case) -> None:
                nonlocal count
                count += 1
                if count % 2 and case.method == "GET":
                    _ask_for_what_is_there(case, known)
                answer = case.call(timeout=20)
                assert answer.elapsed < SECONDS, case.as_curl_command()
                case.validate_response(
                    answer, checks=[not_a_server_error, content_type_conformance, response_schema_conformance]
                )

            ask()
    return count


def _first(port: int, route: str, name: str) -> dict[str, Any]:
    with urlopen(f"http://127.0.0.1:{port}/v1/{route}") as answer:
        found: dict[str, Any] = json.load(answer)[name][0]
        return found


def _ask_for_what_is_there(case: Case, known: dict[str, str]) -> None:
    for parameters in (case.path_parameters, case.query):
        if isinstance(parameters, dict):
            parameters.update({name: known[name] for name in parameters if name in known})


def schemathesis_given(operation: object) -> object:
    """Hypothesis' ``given`` over the requests of one route."""
    from hypothesis import given

    return given(case=operation.as_strategy())  # type: ignore[attr-defined]


def test_a_hundred_requests(running: Running) -> None:
    assert ask_everything(running[1], 4) >= 100


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_a_thousand_requests(running: Running) -> None:
    assert ask_everything(running[1], 48) >= 1000
