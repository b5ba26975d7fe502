"""The fields that docs/dynamic-prefix.md describes."""

import re
from pathlib import Path

PAGE = (Path(__file__).parents[2] / "docs" / "dynamic-prefix.md").read_text()


def fields(heading: str) -> list[str]:
    section = PAGE.split(f"\n## {heading}\n")[1].partition("\n## ")[0]
    cells = [line.split("|")[1] for line in section.splitlines() if line.startswith("| `")]
    return [field for cell in cells for field in re.findall(r"`([^`]+)`", cell)]


SPEC = [
    *(f"acquisition.{field}" for field in fields("spec.acquisition")),
    *fields("spec.addressRanges and spec.subnets"),
    *(f"transition.{field}" for field in fields("spec.transition")),
]
