"""A walk as an SVG picture: a lane for each prefix, a mark for each commit.

One self-contained text without scripts, fonts or links; the same walk gives the same
bytes. Patterns and words say the same as the colours. Dark mode has its own colours.
"""

import textwrap
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import timedelta
from math import ceil
from xml.sax.saxutils import escape, quoteattr

from gitops_prefix.decide.candidate import Verdict
from gitops_prefix.decide.prefix import Prefix
from gitops_prefix.simulate.steps import Step, Walk, decision_words, event_words

WIDTH, LEFT, RIGHT = 1080, 24, 24
LANE, BAR = 44, 16
"""Pixels from lane to lane, and the height of a bar."""
CHARACTER = 6.6
"""Pixels that a character of 12 px takes at most in the fonts named below."""
_MOST_TICKS = 8
_UNITS = (60, 300, 600, 900, 1800, 3600, 7200, 10_800, 21_600, 43_200, 86_400)

_ON = {"refused": "why", "past": "past-on", "current": "on", "candidate": "on", "dns": "on"}
"""The class of the words on a bar of each style."""

_STYLE = """
svg { background: #ffffff; font: 12px ui-sans-serif, system-ui, "DejaVu Sans", sans-serif; }
text { fill: #1b1f24; }
.lane, .why { stroke: #ffffff; stroke-width: 3; paint-order: stroke; }
.on { fill: #ffffff; font-size: 11px; }
.past-on { fill: #1b1f24; font-size: 11px; }
.why { font-size: 11px; }
.title { font-size: 16px; font-weight: 600; }
.quiet { fill: #57606a; }
.grid { stroke: #d0d7de; stroke-width: 1; }
.mark { stroke: #8250df; stroke-width: 1.5; stroke-dasharray: 3 3; }
.commit { fill: #8250df; }
.number { fill: #ffffff; font-weight: 600; text-anchor: middle; }
.current { fill: #1a7f37; }
.past { fill: #d4a72c; }
.candidate { fill: #0969da; }
.refused { fill: url(#stripes); stroke: #8c959f; stroke-width: 1; }
.dns { fill: #bc4c00; }
.stripe { stroke: #8c959f; }
@media (prefers-color-scheme: dark) {
  svg { background: #0d1117; }
  text { fill: #e6edf3; }
  .lane, .why { stroke: #0d1117; }
  .on, .past-on { fill: #ffffff; }
  .quiet { fill: #9198a1; }
  .grid { stroke: #30363d; }
  .mark { stroke: #a371f7; }
  .number { fill: #ffffff; }
  .current { fill: #2ea043; }
  .past { fill: #bb8009; }
  .candidate { fill: #388bfd; }
  .dns { fill: #db6d28; }
}
"""


@dataclass(frozen=True, slots=True)
class Stretch:
    """A stretch of time in one lane.

    Attributes:
        style: how firm it is: "current", "past", "candidate", "refused" or "dns".
        begin: seconds from the start.
    """

    lane: str
    label: str
    style: str
    prefix: Prefix
    begin: float
    end: float


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
        self._lanes = lanes(walk)
        self._title = textwrap.wrap(walk.scenario.title or "A walk through prefixes", 110)
        self._top = 34 + 20 * len(self._title)
        self._bottom = self._top + 44 + LANE * len(self._lanes)
        self._lines = list(_story(walk))
        self.height = self._bottom + 44 + 18 * len(self._lines)

    def body(self) -> Iterator[str]:
        for number, line in enumerate(self._title):
            yield _text(LEFT, 32 + 20 * number, line, "title")
        yield from self._axis()
        for step in self._walk.steps:
            if step.commit:
                yield from self._commit(step)
        for number, (lane, spans) in enumerate(self._lanes.items()):
            yield from self._lane(self._top + 60 + LANE * number, lane, spans)
        for number, line in enumerate(self._lines):
            yield _text(LEFT, self._bottom + 36 + 18 * number, line, "")

    def _x(self, at: float) -> float:
        width = WIDTH - LEFT - RIGHT
        return round(LEFT + width * (at / self._walk.end if self._walk.end else 0), 1)

    def _axis(self) -> Iterator[str]:
        start, end = self._walk.scenario.start, self._walk.end
        unit = next((unit for unit in _UNITS if end / unit <= _MOST_TICKS), None)
        unit = unit or 86_400 * ceil(end / 86_400 / _MOST_TICKS)
        midnight = start.replace(hour=0, minute=0, second=0)
        first = -int((start - midnight).total_seconds()) % unit
        form = "%m-%d" if unit >= 86_400 else "%H:%M"
        for at in range(first, int(end) + 1, unit):
            x = self._x(at)
            yield f'<line class="grid" x1="{x}" y1="{self._top}" x2="{x}" y2="{self._bottom}"/>'
            if x < WIDTH - 60:
                yield _text(
                    x + 4, self._top + 10, f"{start + timedelta(seconds=at):{form}}", "quiet"
                )

    def _lane(self, y: int, lane: str, spans: tuple[Stretch, ...]) -> Iterator[str]:
        yield _text(LEFT, y, lane, "lane")
        for span in spans:
            x, end = self._x(span.begin), self._x(span.end)
            width = max(round(end - x, 1), 3.0)
            words = f"{span.label}: {self._clock(span.begin)} to {self._clock(span.end)}"
            yield (
                f'<rect class="{span.style}" x="{x}" y="{y + 5}" width="{width}" '
                f'height="{BAR}" rx="3"><title>{escape(_printable(words))}</title></rect>'
            )
            if len(span.label) * CHARACTER < width - 12:
                yield _text(round(x + 6, 1), y + 17, span.label, _ON[span.style])

    def _commit(self, step: Step) -> Iterator[str]:
        x, y = self._x(step.at), self._top + 30
        yield f'<line class="mark" x1="{x}" y1="{y}" x2="{x}" y2="{self._bottom}"/>'
        yield (
            f'<circle class="commit" cx="{x}" cy="{y}" r="9">'
            f"<title>{escape(f'commit {step.commit} at {self._clock(step.at)}')}</title></circle>"
        )
        yield _text(x, y + 4, str(step.commit), "number")

    def _clock(self, at: float) -> str:
        return f"{self._walk.scenario.start + timedelta(seconds=int(at)):%H:%M:%S}"


def _story(walk: Walk) -> Iterator[str]:
    """The steps in words below the picture, one line each, and what its colours say."""
    yield (
        "Green: current. Yellow: in the history. Blue: announced, and counts. "
        "Striped: announced, and does not count. Orange: DNS targets. Circles: commits."
    )
    for step, decided in _decided(walk):
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
        yield Stretch(lane, "counts" if style == "candidate" else str(verdict), style, prefix,
                   step.at, step.at)  # fmt: skip


def _held(step: Step, name: str) -> Iterator[Stretch]:
    status = step.looks[name].after
    for prefix in status.prefixes if status else ():
        current = status is not None and prefix == status.current
        style, label = ("current", "current") if current else ("past", "in the history")
        yield Stretch(f"{name}: in the manifests: {prefix}", label, style, prefix, step.at, step.at)


def _dns(step: Step, name: str) -> Iterator[Stretch]:
    status = step.looks[name].after
    if status is not None:
        target = status.dns_target
        yield Stretch(f"{name}: DNS targets", str(target), "dns", target, step.at, step.at)


Part = Callable[[Step, str], Iterator[Stretch]]
