"""A walk as an SVG picture: a lane for each prefix, a mark for each commit.

One self-contained text without scripts, fonts or links; the same walk gives the same
bytes. Patterns and words say the same as the colours. Dark mode has its own colours.
"""

import textwrap
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import timedelta
from math import ceil
from typing import NamedTuple
from xml.sax.saxutils import escape, quoteattr

from gitops_prefix.decide.policy import Verdict
from gitops_prefix.decide.prefix import Prefix
from gitops_prefix.simulate.steps import Step, Walk, decision_words, event_words

WIDTH, LEFT, RIGHT = 1080, 24, 24
CHART = 330
"""Where the time begins; what a lane is stands to the left of it."""
LANE, BAR = 36, 18
"""Pixels from lane to lane, and the height of a bar."""
CHARACTER = 6.6
"""Pixels that a character of 12 px takes at most in the fonts named below."""
_SMALL = 6.2
"""The same for 11 px."""
_MOST_TICKS = 6
_GAP = 4.0
_UNITS = (60, 300, 600, 900, 1800, 3600, 7200, 10_800, 21_600, 43_200, 86_400)

_ON = {"refused": "why", "past": "past-on", "current": "on", "candidate": "on", "dns": "on"}
"""The class of the words on a bar of each style."""

_STYLE = """
svg { background: #ffffff; font: 12px ui-sans-serif, system-ui, "DejaVu Sans", sans-serif; }
text { fill: #1b1f24; }
.lane { font-weight: 600; }
.of, .why, .beside { font-size: 11px; }
.of, .beside { fill: #57606a; }
.why { stroke: #ffffff; stroke-width: 4; paint-order: stroke; }
.on { fill: #ffffff; font-size: 11px; }
.past-on { fill: #1b1f24; font-size: 11px; }
.title { font-size: 16px; font-weight: 600; }
.quiet { fill: #57606a; }
.grid { stroke: #d0d7de; stroke-width: 1; }
.mark { stroke: #8250df; stroke-width: 1.5; stroke-dasharray: 3 3; }
.commit { fill: #8250df; }
.number { fill: #ffffff; font-weight: 600; text-anchor: middle; }
.current { fill: #1a7f37; }
.past { fill: #d4a72c; }
.candidate { fill: #0969da; }
text.on, text.past-on, text.why { pointer-events: none; }
.refused { fill: url(#stripes); stroke: #8c959f; stroke-width: 1; }
.dns { fill: #bc4c00; }
.stripe { stroke: #8c959f; }
@media (prefers-color-scheme: dark) {
  svg { background: #0d1117; }
  text { fill: #e6edf3; }
  .why { stroke: #0d1117; }
  .past-on { fill: #ffffff; }
  .quiet, .of, .beside { fill: #9198a1; }
  .grid { stroke: #30363d; }
  .mark { stroke: #a371f7; }
  .number { fill: #ffffff; }
  .current { fill: #238636; }
  .past { fill: #7d5a00; }
  .candidate { fill: #1f6feb; }
  .dns { fill: #a04100; }
}
"""


@dataclass(frozen=True, slots=True)
class Stretch:
    """A stretch of time in one lane.

    Attributes:
        style: how firm it is: "current", "past", "candidate", "refused" or "dns".
        begin: seconds from the start.
        head: what the lane is about, to its left.
        foot: whose it is, in small letters below that.
    """

    lane: str
    label: str
    style: str
    prefix: Prefix
    begin: float
    end: float
    head: str = ""
    foot: str = ""


class Label(NamedTuple):
    """Words in the row of a lane; nothing crosses them."""

    x: float
    words: str
    style: str

    def covers(self, x: float) -> bool:
        """Whether the words, or the space around them, are at `x`."""
        return self.x - _GAP <= x <= self.x + len(self.words) * _SMALL + _GAP


class Row(NamedTuple):
    """One lane as it is drawn.

    Attributes:
        y: the top of its bars.
    """

    y: int
    spans: tuple[Stretch, ...]
    labels: tuple[Label, ...]


def draw(walk: Walk) -> str:
    """The picture, with a title and a description for those who cannot see it."""
    drawing = _Drawing(walk)
    body = list(drawing.body())
    title = escape(_printable(walk.scenario.title or "A walk through prefixes"))
    head = [
        (
            f'<svg xmlns="http://www.w3.org/2000/svg" role="img" aria-labelledby="title desc" '
            f'viewBox="0 0 {WIDTH} {drawing.height}" width="{WIDTH}" height="{drawing.height}">'
        ),
        f'<title id="title">{title}</title>',
        f'<desc id="desc">{escape(_printable(_described(walk)))}</desc>',
        f"<style>{_STYLE}</style>",
        (
            '<defs><pattern id="stripes" width="6" height="6" patternUnits="userSpaceOnUse" '
            'patternTransform="rotate(45)"><line class="stripe" x1="0" y1="0" x2="0" y2="6" '
            'stroke-width="2"/></pattern></defs>'
        ),
    ]
    return "\n".join([*head, *body, "</svg>", ""])


class _Drawing:
    """Where things stand on the picture; `body` moves down as it goes."""

    def __init__(self, walk: Walk) -> None:
        self._walk = walk
        self._title = textwrap.wrap(walk.scenario.title or "A walk through prefixes", 110)
        self._top = 40 + 20 * len(self._title)
        self._rows = [
            Row(self._top + 54 + LANE * number, spans, tuple(self._labels(spans)))
            for number, spans in enumerate(lanes(walk).values())
        ]
        self._bottom = self._top + 54 + LANE * len(self._rows)
        self._lines = list(_story(walk))
        self.height = self._bottom + 62 + 18 * len(self._lines)

    def body(self) -> Iterator[str]:
        for number, line in enumerate(self._title):
            yield _text(LEFT, 32 + 20 * number, line, "title")
        yield from self._axis()
        for step in self._walk.steps:
            if step.commit:
                yield from self._commit(step)
        for row in self._rows:
            yield from self._lane(row)
        yield from _legend(self._bottom + 20)
        for number, line in enumerate(self._lines):
            yield _text(LEFT, self._bottom + 54 + 18 * number, line, "")

    def _x(self, at: float) -> float:
        width = WIDTH - CHART - RIGHT
        return round(CHART + width * (at / self._walk.end if self._walk.end else 0), 1)

    def _axis(self) -> Iterator[str]:
        """A line and the time for each tick; the date at the first one and where it changes."""
        start, end = self._walk.scenario.start, self._walk.end
        unit = next((unit for unit in _UNITS if end / unit <= _MOST_TICKS), None)
        unit = unit or 86_400 * ceil(end / 86_400 / _MOST_TICKS)
        midnight = start.replace(hour=0, minute=0, second=0)
        first = -int((start - midnight).total_seconds()) % unit
        dated = None
        for at in range(first, int(end) + 1, unit):
            x, moment = self._x(at), start + timedelta(seconds=at)
            yield from self._down("grid", x, self._top + 8)
            if x > WIDTH - RIGHT - 11 * CHARACTER:
                continue
            if dated != moment.date():
                dated = moment.date()
                yield _text(x + 4, self._top - 6, f"{moment:%Y-%m-%d}", "quiet")
            if unit < 86_400:
                yield _text(x + 4, self._top + 10, f"{moment:%H:%M}", "quiet")

    def _down(self, style: str, x: float, top: float) -> Iterator[str]:
        """A line down to the end of the lanes, with a gap wherever it would cross words."""
        for row in self._rows:
            if any(label.covers(x) for label in row.labels):
                yield f'<line class="{style}" x1="{x}" y1="{top}" x2="{x}" y2="{row.y - 2}"/>'
                top = row.y + BAR + 2
        yield f'<line class="{style}" x1="{x}" y1="{top}" x2="{x}" y2="{self._bottom - 10}"/>'

    def _labels(self, spans: tuple[Stretch, ...]) -> Iterator[Label]:
        """Words for each bar: on it, or beside it where nothing else is, or cut to fit."""
        for number, span in enumerate(spans):
            x, end = self._x(span.begin), max(self._x(span.end), self._x(span.begin) + 3)
            needed = len(span.label) * _SMALL + 2 * _GAP
            following = spans[number + 1 :]
            room = (self._x(following[0].begin) if following else WIDTH - RIGHT) - end
            if needed <= end - x:
                yield Label(x + _GAP, span.label, _ON[span.style])
            elif needed <= room:
                yield Label(end + _GAP, span.label, "beside")
            elif (fits := int((end - x - 2 * _GAP) / _SMALL) - 1) >= _LEAST:
                yield Label(x + _GAP, f"{span.label[:fits]}…", _ON[span.style])

    def _lane(self, row: Row) -> Iterator[str]:
        yield _text(LEFT, row.y + 7, _cut(row.spans[0].head, CHARACTER), "lane")
        yield _text(LEFT, row.y + 21, _cut(row.spans[0].foot, _SMALL), "of")
        for span in row.spans:
            x, end = self._x(span.begin), self._x(span.end)
            width = max(round(end - x, 1), 3.0)
            words = f"{span.label}: {self._clock(span.begin)} to {self._clock(span.end)}"
            yield (
                f'<rect class="{span.style}" x="{x}" y="{row.y}" width="{width}" '
                f'height="{BAR}" rx="3"><title>{escape(_printable(words))}</title></rect>'
            )
        for label in row.labels:
            yield _text(round(label.x, 1), row.y + 13, label.words, label.style)

    def _commit(self, step: Step) -> Iterator[str]:
        x, y = self._x(step.at), self._top + 28
        yield from self._down("mark", x, y)
        yield (
            f'<circle class="commit" cx="{x}" cy="{y}" r="9">'
            f"<title>{escape(f'commit {step.commit} at {self._clock(step.at)}')}</title></circle>"
        )
        yield _text(x, y + 4, str(step.commit), "number")

    def _clock(self, at: float) -> str:
        return f"{self._walk.scenario.start + timedelta(seconds=int(at)):%Y-%m-%d %H:%M:%S}"


_LEAST = 3
"""Characters of words that are cut, at least: fewer say nothing."""
_LEGEND = {
    "current": "current",
    "past": "in the history",
    "candidate": "announced, and counts",
    "refused": "announced, and does not count",
    "dns": "DNS targets",
}


def _legend(y: int) -> Iterator[str]:
    """A swatch for each style, and one for a commit."""
    x = float(LEFT)
    for style, words in _LEGEND.items():
        yield (
            f'<rect class="{style}" x="{x}" y="{y - 11}" width="20" height="13" rx="3">'
            f"<title>{words}</title></rect>"
        )
        yield _text(x + 26, y, words, "quiet")
        x = round(x + 26 + len(words) * CHARACTER + 18, 1)
    yield f'<circle class="commit" cx="{x + 7}" cy="{y - 4}" r="7"><title>commit</title></circle>'
    yield _text(x + 20, y, "commit", "quiet")


def _cut(words: str, character: float) -> str:
    """Words that fit beside the chart; their middle is cut out."""
    most = int((CHART - LEFT - 12) / character)
    half = (most - 1) // 2
    return words if len(words) <= most else f"{words[:half]}…{words[-half:]}"


def _story(walk: Walk) -> Iterator[str]:
    """The steps in words below the picture, one line each, by date."""
    last = None
    for step, decided in _decided(walk):
        if last != step.when.date():
            last = step.when.date()
            yield f"{last:%Y-%m-%d}"
        words = (
            "; ".join(map(event_words, step.events)) or "; ".join(decided) or "as the files have it"
        )
        number = f" (commit {step.commit})" if step.commit else ""
        line = f"{step.when:%H:%M:%S}{number}  {words}"
        yield from textwrap.wrap(line, 150, subsequent_indent="    ")


def _decided(walk: Walk) -> Iterator[tuple[Step, list[str]]]:
    """Each step with what was decided at it."""
    last: Step | None = None
    for step in walk.steps:
        decided: list[str] = []
        for name, look in step.looks.items():
            before = last.looks.get(name) if last else None
            words = decision_words(walk.specifications[name], look, before)
            decided += [f"{name}: {line}" for line in words]
        yield step, decided
        last = step


def _described(walk: Walk) -> str:
    """All of it as sentences, for those who do not see it."""
    parts = [f"Commits: {walk.commits}."]
    for step, decided in _decided(walk):
        parts.append(
            f"{step.when:%H:%M:%S}: {'; '.join([*map(event_words, step.events), *decided])}."
        )
    return " ".join(parts)


def _text(x: float, y: float, words: str, style: str) -> str:
    named = f" class={quoteattr(style)}" if style else ""
    return f'<text x="{x}" y="{y}"{named}>{escape(_printable(words))}</text>'


def _printable(text: str) -> str:
    """Without what XML forbids (XML 1.0, 2.2)."""
    return "".join(c if c.isprintable() else "?" for c in text)


def lanes(walk: Walk) -> Mapping[str, tuple[Stretch, ...]]:
    """Every lane with its spans, from top to bottom.

    A DynamicPrefix has one for each prefix that is announced and counts or not, one
    for each that its manifests hold, and one for its DNS targets when they are delayed.
    """
    found: dict[str, list[Stretch]] = {}
    for name in sorted(walk.specifications):
        ha = walk.specifications[name].transition.mode == "ha"
        for part in (_announced, _held, *((_dns,) if ha else ())):
            for span in _joined(walk, name, part):
                found.setdefault(span.lane, []).append(span)
    return {lane: tuple(spans) for lane, spans in found.items()}


def _joined(walk: Walk, name: str, part: "Part") -> list[Stretch]:
    """The spans of one kind, each as long as nothing about it changes."""
    done: list[Stretch] = []
    open_spans: dict[tuple[str, str, str], Stretch] = {}
    ends = [*(step.at for step in walk.steps[1:]), walk.end]
    for step, end in zip(walk.steps, ends, strict=True):
        standing: dict[tuple[str, str, str], Stretch] = {}
        for span in part(step, name):
            key = (span.lane, span.label, span.style)
            began = open_spans.get(key, span).begin
            standing[key] = replace(span, begin=began, end=end)
        done += [span for key, span in open_spans.items() if key not in standing]
        open_spans = standing
    done += open_spans.values()
    firsts: dict[str, float] = {}
    for span in done:
        firsts[span.lane] = min(span.begin, firsts.get(span.lane, span.begin))
    return sorted(done, key=lambda span: (firsts[span.lane], span.lane, span.begin, span.label))


def _announced(step: Step, name: str) -> Iterator[Stretch]:
    for (prefix, router), verdict in sorted(step.looks[name].verdicts.items()):
        style = "candidate" if verdict is Verdict.CANDIDATE else "refused"
        lane = f"{name}: announced by {router}: {prefix}"
        label = "counts" if style == "candidate" else str(verdict)
        foot = f"{name}: announced by {router}"
        yield Stretch(lane, label, style, prefix, step.at, step.at, str(prefix), foot)


def _held(step: Step, name: str) -> Iterator[Stretch]:
    status = step.looks[name].after
    for prefix in status.prefixes if status else ():
        current = status is not None and prefix == status.current
        style, label = ("current", "current") if current else ("past", "in the history")
        lane, foot = f"{name}: in the manifests: {prefix}", f"{name}: in the manifests"
        yield Stretch(lane, label, style, prefix, step.at, step.at, str(prefix), foot)


def _dns(step: Step, name: str) -> Iterator[Stretch]:
    status = step.looks[name].after
    if status is not None:
        target = status.dns_target
        lane = f"{name}: DNS targets"
        at = step.at
        yield Stretch(lane, str(target), "dns", target, at, at, "DNS targets", name)


Part = Callable[[Step, str], Iterator[Stretch]]
