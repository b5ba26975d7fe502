"""README.md of this folder: every row names tests that are there, and every test has its row."""

import re
from pathlib import Path

HERE = Path(__file__).parent


def test_the_table_is_true():
    rows = set(re.findall(r"`(test_\w+\.py::test_\w+)`", (HERE / "README.md").read_text()))
    tests = {
        f"{path.name}::{name}"
        for path in HERE.glob("test_*.py")
        for name in re.findall(r"^def (test_\w+)", path.read_text(), re.MULTILINE)
    }
    assert rows == tests - {"test_table.py::test_the_table_is_true"}
