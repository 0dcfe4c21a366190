"""Requests that fit the described interface, and that do not: never a failure of ours, never an answer too late."""

from __future__ import annotations

import subprocess
import warnings

import pytest

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # what it says of its own libraries
    import schemathesis
    from hypothesis import HealthCheck, Phase, settings
    from schemathesis import Case
    from schemathesis.checks import not_a_server_error
    from schemathesis.specs.openapi.checks import content_type_conformance, response_schema_conformance

Running = tuple[subprocess.Popen[bytes], int]


def ask_everything(port: int, examples: int) -> int:
    """So many requests of every route; returns how many there were in all."""
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
                answer = case.call(timeout=20)
                assert answer.elapsed < 10
                case.validate_response(
                    answer, checks=[not_a_server_error, content_type_conformance, response_schema_conformance]
                )

            ask()
    return count


def schemathesis_given(operation: object) -> object:
    """Hypothesis' ``given`` over the requests of one route."""
    from hypothesis import given

    return given(case=operation.as_strategy())  # type: ignore[attr-defined]


def test_a_hundred_requests(running: Running) -> None:
    assert ask_everything(running[1], 4) >= 100


@pytest.mark.slow
def test_a_thousand_requests(running: Running) -> None:
    assert ask_everything(running[1], 50) >= 1000
