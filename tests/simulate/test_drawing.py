"""The picture: well-formed, the same on every run, with words for what it shows.

To write the golden one anew: `gitops-prefix simulate tests/simulate/home
--scenario graceful-renumbering --svg tests/golden/simulate/graceful-renumbering.svg`.
"""

import re
from xml.etree import ElementTree as ET

import pytest

from gitops_prefix.simulate.drawing import WIDTH, draw
from tests.simulate.homes import GOLDEN, SCENARIOS, files, shipped, walked

SVG = "{http://www.w3.org/2000/svg}"
LEGEND = 5
"""Bars that only explain the others; one circle explains commits."""
NAMES = sorted(path.stem for path in SCENARIOS.glob("*.yaml"))


def drawn(name: str) -> str:
    return draw(shipped(name))


def test_it_is_byte_for_byte_what_is_expected():
    name = "graceful-renumbering"
    assert drawn(name).encode() == (GOLDEN / f"{name}.svg").read_bytes()


@pytest.mark.parametrize("name", NAMES)
def test_it_is_well_formed_and_stands_alone(name):
    """No script, no link, no font from elsewhere; everything lies on the picture."""
    text = drawn(name)
    root = ET.fromstring(text)
    assert root.tag == f"{SVG}svg"
    assert not re.search(r"<script|href|@import|url\((?!#)", text)
    _, _, width, height = map(float, root.get("viewBox").split())
    for bar in root.iter(f"{SVG}rect"):
        assert 0 <= float(bar.get("x")) <= WIDTH
        assert float(bar.get("x")) + float(bar.get("width")) <= width
        assert float(bar.get("y")) + float(bar.get("height")) <= height


@pytest.mark.parametrize("name", NAMES)
def test_it_says_in_words_what_it_shows(name):
    """A title, a description of every step, and a title for every bar."""
    root = ET.fromstring(drawn(name))
    assert root.get("aria-labelledby") == "title desc"
    described = root.findtext(f"{SVG}desc")
    walk = shipped(name)
    assert all(f"{step.when:%H:%M:%S}: " in described for step in walk.steps)
    bars = [bar for bar in root.iter(f"{SVG}rect") if bar.get("class")]
    assert len(bars) > LEGEND
    assert all(bar.findtext(f"{SVG}title") for bar in bars)


@pytest.mark.parametrize("name", NAMES)
def test_nothing_crosses_words(name):
    """No line runs through a label, and no two labels lie on each other."""
    root = ET.fromstring(drawn(name))
    texts = [
        (float(text.get("x")), float(text.get("y")), len(text.text) * 5.5, text.text)
        for text in root.iter(f"{SVG}text")
        if text.get("class") not in {None, "number"}
    ]
    for line in root.iter(f"{SVG}line"):
        if line.get("class") in {"mark", "grid"}:
            x, top, bottom = (float(line.get(key)) for key in ("x1", "y1", "y2"))
            crossed = [
                words
                for left, y, width, words in texts
                if left < x < left + width and top < y - 4 < bottom
            ]
            assert not crossed
    for number, (left, y, width, words) in enumerate(texts):
        for other, other_y, other_width, others in texts[number + 1 :]:
            beside = left + width <= other or other + other_width <= left
            assert beside or abs(y - other_y) > 9, (words, others)


@pytest.mark.parametrize("name", NAMES)
def test_the_axis_has_dates_and_the_legend_a_swatch_for_each_style(name):
    root = ET.fromstring(drawn(name))
    words = [text.text for text in root.iter(f"{SVG}text")]
    walk = shipped(name)
    assert f"{walk.scenario.start:%Y-%m-%d}" in words
    styles = {bar.get("class") for bar in root.iter(f"{SVG}rect")}
    assert {"current", "past", "candidate", "refused", "dns"} <= styles
    assert {"current", "in the history", "announced, and does not count", "commit"} <= set(words)


def test_many_prefixes_stay_on_a_screen():
    root = ET.fromstring(drawn("flapping-isp"))
    lanes = [text for text in root.iter(f"{SVG}text") if text.get("class") == "lane"]
    lines = [text for text in root.iter(f"{SVG}text") if text.get("class") is None]
    assert float(root.get("height")) <= 200 + 36 * len(lanes) + 18 * len(lines)


def test_a_commit_is_a_mark_with_its_number():
    root = ET.fromstring(drawn("two-routers"))
    marks = [one for one in root.iter(f"{SVG}circle") if one.get("class") == "commit"][:-1]
    numbers = [one.text for one in root.iter(f"{SVG}text") if one.get("class") == "number"]
    assert numbers == ["1", "2", "3", "4", "5"][: len(marks)]
    assert len(marks) == 5


@pytest.mark.parametrize("title", ["<script>&amp;", '"&<>', "]]>", "\\u0007\\ud7ff"])
def test_foreign_text_stays_text(title):
    """Titles and notes are anybody's."""
    quoted = title.replace('"', '\\"')
    text = (
        f'{{title: "{quoted}", routers: {{isp: {{}}}}, '
        f'events: [{{at: 0s, note: "{quoted}", announces: [A]}}]}}'
    )
    root = ET.fromstring(draw(walked(text)))
    shown = root.findtext(f"{SVG}title")
    assert shown == title.replace("\\u0007", "?").replace("\\ud7ff", "?")
    assert not list(root.iter(f"{SVG}script"))


def test_without_a_prefix_and_without_time_there_is_a_picture_too():
    """Nothing is announced, and it ends when it begins."""
    root = ET.fromstring(draw(walked("{until: 0s, events: [{at: 0s, note: hm}]}", files())))
    assert [bar for bar in root.iter(f"{SVG}rect") if bar.get("class")][LEGEND:] == []
