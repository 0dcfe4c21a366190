"""Nothing that comes with geoglot reports to anybody."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

ENCODES = """
from geoglot.models.bundle import load_bundle
print(load_bundle("compact").encode_texts(["a river"]).shape)
"""
MARKS_OF_TESTS = ("CI", "GITHUB_ACTIONS", "ORT_DISABLE_TELEMETRY", "ORT_RUNNING_UNIT_TESTS")
"""With one of these ONNX Runtime keeps quiet by itself."""


def test_onnx_runtime_keeps_no_file_of_reports(tmp_path: Path) -> None:
    environment = {name: value for name, value in os.environ.items() if name not in MARKS_OF_TESTS}
    environment |= {"HOME": str(tmp_path), "XDG_CACHE_HOME": str(tmp_path / ".cache")}
    done = subprocess.run([sys.executable, "-c", ENCODES], env=environment, capture_output=True, text=True, timeout=120)
    assert (done.returncode, done.stdout) == (0, "(1, 256)\n"), done.stderr
    assert [str(path) for path in tmp_path.rglob("*") if path.is_file()] == []
