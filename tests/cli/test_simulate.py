"""simulate: what render would do, one step after another; nothing is written."""

import json
import re
import shutil
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gitops_prefix.cli.door import enter
from gitops_prefix.cli.manifests import Directory
from gitops_prefix.decide.prefix import Prefix
from gitops_prefix.render.settings import Settings
from gitops_prefix.simulate.scenario import Event, Observed, Scenario
from gitops_prefix.simulate.walk import walk
from tests.cli.directories import call, snapshot
from tests.examples.repositories import EXAMPLES, ROOT, copy_example
from tests.simulate.homes import HOME, NOW, SCENARIOS

PAGE = (ROOT / "docs" / "simulate.md").read_text()
A, B = "2001:db8:9::/64", "2001:db8:a::/64"
POOL = [Prefix.parse(f"2001:db8:{number}::/64") for number in range(1, 5)]
NAMES = sorted(path.stem for path in SCENARIOS.glob("*.yaml"))


@pytest.fixture
def home(tmp_path: Path) -> Path:
    return Path(shutil.copytree(HOME, tmp_path / "home"))


def answer(capsys, *words: str) -> dict:
    assert enter(["simulate", *words, "--output", "json"]) == 0
    return json.loads(capsys.readouterr().out)


@pytest.mark.parametrize("example", [*EXAMPLES, "home"])
@settings(max_examples=6)
@given(steps=st.lists(st.sampled_from(POOL), min_size=1, max_size=4), hours=st.integers(0, 30))
def test_it_is_render_one_step_after_another(tmp_path_factory, example, steps, hours):
    """The fold law: byte for byte what `render --prefix … --now …` leaves in the files."""
    directory = tmp_path_factory.mktemp("fold") / example
    shutil.copytree(HOME if example == "home" else ROOT / "examples" / example, directory)
    before, _ = Directory(directory).read()
    start = NOW.replace(year=2027)
    events = tuple(
        Event(3600 * hours * number, Observed("home-ipv6", prefix))
        for number, prefix in enumerate(steps)
    )
    walked = walk(before, Settings(), Scenario("", start, events))
    for step in walked.steps:
        now = ["--now", f"{step.when:%Y-%m-%dT%H:%M:%SZ}"]
        given_now = [f"--prefix={event.action.name}={event.action.prefix}" for event in step.events]
        assert enter(["render", *now, *given_now, str(directory)]) == 0
    assert Directory(directory).read()[0] == walked.files


@pytest.mark.parametrize("example", EXAMPLES)
@pytest.mark.parametrize("name", NAMES)
def test_every_shipped_scenario_fits_every_example_and_writes_nothing(
    name, example, tmp_path, capsys
):
    directory = copy_example(example, tmp_path)
    before = snapshot(directory)
    found = answer(capsys, str(directory), "--scenario", name)
    assert found["commits"] == sum(1 for step in found["steps"] if step["commit"])
    assert snapshot(directory) == before


@pytest.mark.parametrize("name", NAMES)
def test_a_scenario_is_the_same_on_every_run(name, home, capsys):
    words = (str(home), "--scenario", name)
    assert answer(capsys, *words) == answer(capsys, *words)


def test_prefixes_are_steps_and_what_time_ends_comes_between(home, capsys):
    before = snapshot(home)
    words = [str(home), "--prefix", A, "--prefix", f"home-ipv6={B}", "--step", "12h"]
    found = answer(capsys, *words)
    assert [(step["time"], step["subject"]) for step in found["steps"]] == [
        ("2026-01-01T00:00:00Z", f"prefix(home-ipv6): {A}"),
        ("2026-01-01T12:00:00Z", f"prefix(home-ipv6): {A} -> {B}"),
        ("2026-01-01T12:15:00Z", f"prefix(home-ipv6): DNS moves to {B}"),
        ("2026-01-03T12:00:00Z", f"prefix(home-ipv6): {A} leaves the history"),
    ]
    assert snapshot(home) == before


def test_it_begins_with_what_the_files_say(home, capsys):
    """At the midnight behind the last time in them; `A` is the prefix that is there."""
    assert enter(["render", str(home), "--prefix", f"home-ipv6={A}", "--now", "2026-03-04T05:06:07Z"]) == 0  # fmt: skip
    capsys.readouterr()
    found = answer(capsys, str(home), "--scenario", "two-routers")
    assert found["start"] == "2026-03-05T04:00:00Z"
    assert found["steps"][0]["prefixes"]["home-ipv6"]["current"] == A
    assert found["steps"][0]["commit"] is None
    found = answer(capsys, str(home), "--scenario", "two-routers", "--now", "2030-01-01T00:00:00Z")
    assert found["start"] == "2030-01-01T04:00:00Z"


def test_until_ends_it_earlier(home, capsys):
    found = answer(capsys, str(home), "--scenario", "flash-renumbering", "--until", "10m")
    assert (found["seconds"], found["commits"]) == (600, 1)


def test_the_json_has_the_keys_of_the_page(home, capsys):
    section = PAGE.split("## The answer as JSON")[1]
    listed = set(re.findall(r'"(\w+)"', section))
    found = answer(capsys, str(home), "--scenario", "flash-renumbering")
    step = found["steps"][-1]
    keys = {*found, *step, *step["prefixes"]["home-ipv6"], *found["fields"][0]}
    assert listed == keys | set(step["prefixes"]["home-ipv6"]["announced"][0])


def test_the_page_lists_the_shipped_scenarios_and_so_does_list(capsys):
    rows = re.findall(r"^\| `([a-z-]+)` \| ", PAGE, re.MULTILINE)
    assert enter(["simulate", "--list"]) == 0
    listed = [line.split()[0] for line in capsys.readouterr().out.splitlines()]
    assert listed == NAMES
    assert [name for name in rows if name in NAMES] == NAMES


def test_the_scenario_of_the_page_is_walked(home, tmp_path, capsys):
    [text] = re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL)
    (tmp_path / "mine.yaml").write_text(text)
    found = answer(capsys, str(home), "--scenario", str(tmp_path / "mine.yaml"))
    assert found["title"] == "A restart while git is away"
    away = [step for step in found["steps"] if step["waiting"]]
    assert away
    back = next(
        step for step in found["steps"] if "git can be reached again" in str(step["events"])
    )
    assert back["pushed"] == away[-1]["waiting"]


def test_a_picture_is_written_where_it_was_asked_for(home, tmp_path, capsys):
    before = snapshot(home)
    svg = tmp_path / "timeline.svg"
    answer(capsys, str(home), "--prefix", A, "--svg", str(svg))
    assert svg.read_text().startswith("<svg ")
    assert snapshot(home) == before


def test_what_could_not_be_published_is_exit_code_1(home, capsys):
    """A prefix that the range does not fit: told on the timeline, with its place."""
    prefix = home / "prefix.yaml"
    prefix.write_text(
        prefix.read_text().replace(
            "eth0", 'eth0\n    prefixFilter: {within: ["::/0", "2001:db8::/70"]}'
        )
    )
    assert enter(["simulate", str(home), "--prefix", A, "--prefix", "2001:db8::/72"]) == 1
    assert "[does-not-fit]" in capsys.readouterr().out


def test_a_prefix_that_the_policy_rules_out_is_refused(home, capsys):
    assert enter(["simulate", str(home), "--prefix", A, "--prefix", "fd00::/64"]) == 2
    assert "requireGlobalUnicast" in capsys.readouterr().err


BAD = {
    "neither": ([], "give --prefix or --scenario"),
    "both": (["--prefix", A, "--scenario", "rogue"], "give --prefix or --scenario"),
    "no such scenario": (["--scenario", "rouge"], 'Did you mean "rogue"?'),
    "a directory": (["--scenario", "."], "cannot be read"),
    "no such DynamicPrefix": (["--prefix", f"home-ipv4={A}"], 'Did you mean "home-ipv6"?'),
    "no name": (["--prefix", f"={A}"], "is not NAME=PREFIX"),
    "no prefix": (["--prefix", "2001:db8::1"], "is not a prefix"),
    "no duration": (["--prefix", A, "--step", "1"], "is not a duration"),
    "no picture": (["--prefix", A, "--svg", "prefix.yaml"], "does not end in .svg"),
    "no place for a picture": (["--prefix", A, "--svg", "pool.yaml/a.svg"], "pool.yaml"),
}


@pytest.mark.parametrize(("words", "message"), BAD.values(), ids=BAD)
def test_bad_input_is_one_message(home, words, message):
    before = snapshot(home)
    found = call(home, "simulate", *words)
    assert found.returncode in {2, 3}
    assert message in found.stderr
    assert "Traceback" not in found.stderr
    assert "This is a bug" not in found.stderr
    assert snapshot(home) == before


def test_several_dynamic_prefixes_need_a_name(home, capsys):
    text = (home / "prefix.yaml").read_text()
    (home / "second.yaml").write_text(text.replace("name: home-ipv6", "name: guests"))
    assert enter(["simulate", str(home), "--prefix", A]) == 2
    assert "which one? Write NAME=" in capsys.readouterr().err
    assert enter(["simulate", str(home), "--prefix", f"guests={A}"]) == 0


def test_without_a_dynamic_prefix_there_is_nothing_to_simulate(tmp_path, capsys):
    assert enter(["simulate", str(tmp_path), "--scenario", "rogue"]) == 2
    assert "[no-dynamic-prefix]" in capsys.readouterr().err
