"""What stood from when to when: the bars of a drawing, from a walk's steps."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace

from gitops_prefix.decide.candidate import Verdict
from gitops_prefix.decide.prefix import Prefix
from gitops_prefix.simulate.steps import Step, Walk


@dataclass(frozen=True, slots=True)
class Span:
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


def lanes(walk: Walk) -> Mapping[str, tuple[Span, ...]]:
    """Every lane with its spans, from top to bottom.

    A DynamicPrefix has one for each prefix that is announced and counts or not, one
    for each that its manifests hold, and one for its DNS targets when they are delayed.
    """
    found: dict[str, list[Span]] = {}
    for name in sorted(walk.specifications):
        ha = walk.specifications[name].transition.mode == "ha"
        for part in (_announced, _held, *((_dns,) if ha else ())):
            for span in _joined(walk, name, part):
                found.setdefault(span.lane, []).append(span)
    return {lane: tuple(spans) for lane, spans in found.items()}


def _joined(walk: Walk, name: str, part: "Part") -> list[Span]:
    """The spans of one kind, each as long as nothing about it changes."""
    done: list[Span] = []
    open_spans: dict[tuple[str, str, str], Span] = {}
    ends = [*(step.at for step in walk.steps[1:]), walk.end]
    for step, end in zip(walk.steps, ends, strict=True):
        standing: dict[tuple[str, str, str], Span] = {}
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
    return sorted(done, key=lambda one: (firsts[one.lane], one.lane, one.begin, one.label))


def _announced(step: Step, name: str) -> Iterator[Span]:
    for (prefix, router), verdict in sorted(step.looks[name].verdicts.items()):
        style = "candidate" if verdict is Verdict.CANDIDATE else "refused"
        lane = f"{name}: announced by {router}: {prefix}"
        yield Span(lane, "counts" if style == "candidate" else str(verdict), style, prefix,
                   step.at, step.at)  # fmt: skip


def _held(step: Step, name: str) -> Iterator[Span]:
    status = step.looks[name].after
    for prefix in status.prefixes if status else ():
        current = status is not None and prefix == status.current
        style, label = ("current", "current") if current else ("past", "in the history")
        yield Span(f"{name}: in the manifests: {prefix}", label, style, prefix, step.at, step.at)


def _dns(step: Step, name: str) -> Iterator[Span]:
    status = step.looks[name].after
    if status is not None:
        target = status.dns_target
        yield Span(f"{name}: DNS targets", str(target), "dns", target, step.at, step.at)


Part = Callable[[Step, str], Iterator[Span]]
