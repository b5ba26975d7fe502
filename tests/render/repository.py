"""A DynamicPrefix beside the file under test, rendered for one prefix after another."""

from datetime import UTC, datetime, timedelta

from gitops_prefix.decide.prefix import Prefix
from gitops_prefix.decide.transition import Choice, advance
from gitops_prefix.render.reading import read_inventory
from gitops_prefix.render.rendering import Rendering, render
from gitops_prefix.render.settings import Settings
from gitops_prefix.render.source import Source

A, B, C = (Prefix.parse(f"2001:db8:{letter}::/64") for letter in "abc")
NOON = datetime(2026, 11, 24, 12, tzinfo=UTC)
PREFIX = b"""\
apiVersion: dynamic-prefix.io/v1alpha1
kind: DynamicPrefix
metadata:
  name: home
spec:
  acquisition:
    routerAdvertisement: {interface: eth0}
  addressRanges:
    - {name: lb, start: "::f000:0:0:0", end: "::ffff:ffff:ffff:ffff"}
    - {name: odd, start: "::5", end: "::a"}
  subnets:
    - {name: low, offset: 1, prefixLength: 72}
"""


def render_once(files: dict[str, bytes], prefix: Prefix, hour: int = 0) -> Rendering:
    """The rendering after one observation."""
    inventory = read_inventory(files, Settings())
    statuses = {}
    for name, one in inventory.dynamic_prefixes.items():
        now = NOON + timedelta(hours=hour)
        statuses[name] = advance(one.specification, one.status, Choice(prefix), now)
    return render(inventory, statuses)


def render_all(manifest: str, *prefixes: Prefix) -> str:
    """The manifest after one prefix after another; rendering again must change nothing."""
    files = {"home.yaml": PREFIX, "manifest.yaml": manifest.encode()}
    for hour, prefix in enumerate(prefixes):
        rendering = render_once(files, prefix, hour)
        # A text that only looks like an annotation is named, and changes nothing.
        odd = [problem for problem in rendering.problems if problem.code != "annotation-elsewhere"]
        assert not [str(problem) for problem in odd]
        files |= rendering.files
        assert render_once(files, prefix, hour + 1).files == {}, "rendering twice changes something"
    return files["manifest.yaml"].decode()


def assert_held(files: dict[str, bytes], rendering: Rendering) -> None:
    """No document with an error, or behind a DynamicPrefix with one, changes by a byte."""
    for spot in rendering.held_documents:
        source = Source.decode(spot.path, files[spot.path])
        after = Source.decode(spot.path, rendering.files.get(spot.path, files[spot.path]))
        (span,) = (span for span in source.documents() if span.number == spot.number)
        assert source.text[span.start : span.end].removesuffix("\n") in after.text


def problems_of(manifest: str, prefix: Prefix = A) -> list[str]:
    """Places, codes and messages, as `validate` would print them."""
    files = {"home.yaml": PREFIX, "manifest.yaml": manifest.encode()}
    rendering = render_once(files, prefix)
    wrong = any(problem.severity == "error" for problem in rendering.problems)
    assert not (wrong and "manifest.yaml" in rendering.files), "a document changed by half"
    return [f"{problem.place} {problem.code}: {problem.message}" for problem in rendering.problems]
