"""The repository that the tests of simulate walk in, and variants of it."""

from datetime import UTC, datetime
from functools import cache
from pathlib import Path

from gitops_prefix.render.reading import read_inventory
from gitops_prefix.render.settings import Settings
from gitops_prefix.simulate.scenario import StandIns, stand_ins
from gitops_prefix.simulate.scenario_file import read_scenario
from gitops_prefix.simulate.steps import Walk
from gitops_prefix.simulate.walk import walk

ROOT = Path(__file__).parents[2]
HOME = Path(__file__).parent / "home"
GOLDEN = ROOT / "tests" / "golden" / "simulate"
SCENARIOS = ROOT / "templates" / "scenarios"
NOW = datetime(2026, 1, 1, tzinfo=UTC)
TRANSITION = "transition: {mode: ha, dnsDelay: 15m, retention: 48h}"


def files(transition: str = TRANSITION, **replaced: str) -> dict[str, bytes]:
    """The files, with another transition, or each `old` text replaced by `new`."""
    found = {path.name: path.read_text() for path in HOME.glob("*.yaml")}
    assert TRANSITION in found["prefix.yaml"]
    found["prefix.yaml"] = found["prefix.yaml"].replace(TRANSITION, transition)
    if replaced:
        assert replaced["old"] in found["prefix.yaml"]
        found["prefix.yaml"] = found["prefix.yaml"].replace(replaced["old"], replaced["new"])
    return {path: text.encode() for path, text in found.items()}


def stood_in(home: dict[str, bytes]) -> StandIns:
    documents = read_inventory(home, Settings()).dynamic_prefixes
    specifications = {name: one.specification for name, one in documents.items()}
    return stand_ins(specifications, {name: one.status for name, one in documents.items()})


def walked(text: str, home: dict[str, bytes] | None = None) -> Walk:
    """A scenario's text, walked."""
    home = home or files()
    scenario = read_scenario("scenario.yaml", text.encode(), stood_in(home), NOW)
    return walk(home, Settings(), scenario)


@cache
def shipped(name: str) -> Walk:
    """A scenario that comes with the program, walked once."""
    return walked((SCENARIOS / f"{name}.yaml").read_text())


def told(walk: Walk) -> list[tuple[int, str, str]]:
    """Each step that commits: when, current, and what DNS targets show."""
    return [
        (int(step.at), str(look.after.current), str(look.after.dns_target))
        for step in walk.steps
        if step.commit
        for look in step.looks.values()
        if look.after is not None
    ]
