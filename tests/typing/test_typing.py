"""What mypy's strict mode says of a project that uses the public names."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

CONSUMER = Path(__file__).with_name("consumer.py")
ROOT = CONSUMER.parents[2]
ERROR = re.compile(r"^tests/typing/consumer\.py:(\d+): error: .*\[([a-z-]+)\]$", re.MULTILINE)

pytest.importorskip("mypy")
pytest.importorskip("mypy_django_plugin")


def test_mypy_finds_the_marked_mistakes_and_no_others():
    code = "import sys; from mypy import api; out, err, _ = api.run(sys.argv[1:]); print(out, err)"
    done = subprocess.run(
        [sys.executable, "-c", code, "--strict", str(CONSUMER)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    found = sorted((int(line), code) for line, code in ERROR.findall(done.stdout))
    expected = sorted(
        (number, code)
        for number, line in enumerate(CONSUMER.read_text().splitlines(), start=1)
        if "  # error: " in line
        for code in line.rpartition("# error: ")[2].split(", ")
    )
    assert found == expected, done.stdout + done.stderr
    assert f"Found {len(expected)} errors in 1 file" in done.stdout
