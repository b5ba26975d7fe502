"""docs/services.md: its example is what rendering makes of it."""

import re
from pathlib import Path

from tests.render.repository import PREFIX, A, B, render_once

PAGE = (Path(__file__).parents[2] / "docs" / "services.md").read_text()


def test_the_example_becomes_what_the_page_says():
    before, after, chart = re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL)
    spec = PREFIX.replace(b"name: home\n", b"name: home-ipv6\n").replace(
        b"name: lb", b"name: loadbalancers"
    )
    files = {"home.yaml": spec + b"  transition: {mode: ha}\n", "plex.yaml": before.encode()}
    for hour, prefix in enumerate((A, B)):
        files |= render_once(files, prefix, hour).files
    assert files["plex.yaml"].decode() == after
    files["chart.yaml"] = chart.encode()
    rendered = render_once(files, B, 2).files["chart.yaml"].decode()
    lines = [line.strip() for line in after.splitlines() if "lbipam" in line or "/target" in line]
    assert [line.strip() for line in rendered.splitlines() if line not in chart.splitlines()] == [
        line.replace(",192.0.2.7", "") for line in lines
    ]
