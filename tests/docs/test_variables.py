"""docs/variables.md: its names and values are what its ConfigMap gets."""

import re
from pathlib import Path

from ruamel.yaml import YAML

from gitops_prefix.decide.prefix import Prefix
from tests.render.repository import PREFIX, render_once

PAGE = (Path(__file__).parents[2] / "docs" / "variables.md").read_text()
HOME_IPV6 = (
    PREFIX.replace(b"name: home\n", b"name: home-ipv6\n")
    .replace(b"name: lb", b"name: loadbalancers")
    .replace(b"name: low, offset: 1, prefixLength: 72", b"name: pods, offset: 1, prefixLength: 80")
    .replace(b'    - {name: odd, start: "::5", end: "::a"}\n', b"")
)


def test_the_table_is_what_the_example_gets():
    """Every name of the current prefix, in this order; the past one's are named alike."""
    (before,) = re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL)
    files = {"home.yaml": HOME_IPV6, "manifest.yaml": before.encode()}
    rendered = render_once(files, Prefix.parse("2001:db8:1234::/64")).files["manifest.yaml"]
    data = YAML(typ="safe").load(rendered)["data"]
    table = dict(re.findall(r"^\| (?:the|a) \S+ \| `(\S+)` \| `(\S+)` \|$", PAGE, re.MULTILINE))
    previous = {name.replace("IPV6_", "IPV6_PREVIOUS_"): "" for name in table}
    assert data == {"TIMEZONE": "Europe/Berlin"} | table | previous
    assert list(data)[1:] == [*table, *previous]
    assert rendered.decode().startswith(before)
