"""The status page: what the daemon knows now, which Git does not say; and the same as JSON."""

import json
import shutil
import struct
import subprocess
import zlib
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from gitops_prefix.daemon.clocks import Clocks, Moment
from gitops_prefix.daemon.outcome import (
    Committed,
    Decided,
    Invalid,
    NotLeading,
    Pushed,
    Stopped,
    UpToDate,
)
from gitops_prefix.daemon.page import render_page
from gitops_prefix.daemon.report import Progress, Report, report
from gitops_prefix.daemon.server import Server, html_page
from gitops_prefix.decide.advertisement import Router
from gitops_prefix.decide.candidate import Candidate, Verdict
from gitops_prefix.decide.choice import Choice
from gitops_prefix.decide.prefix import Prefix
from gitops_prefix.decide.selection import Decision, Selection, Standing
from gitops_prefix.decide.status import read_status
from gitops_prefix.errors import Place, Problem
from gitops_prefix.publish.failure import Failed, Reason
from gitops_prefix.publish.stages import Stage
from gitops_prefix.render.binding import FieldIdentity
from gitops_prefix.render.inventory import Described
from tests.parts import require

NOON = datetime(2026, 11, 24, 12, tzinfo=UTC)
A = Prefix.parse("2001:db8:a::/64")
STATUS, _ = read_status(
    {
        "status": {
            "currentPrefix": str(A),
            "prefixSource": "router-advertisement",
            "acquiredAt": "2026-11-24T10:00:00Z",
            "history": [{"prefix": "2001:db8:9::/64", "deprecatedAt": "2026-11-24T10:00:00Z"}],
        }
    }
)
HOME = Described(
    "home",
    "network/prefix.yaml",
    STATUS,
    (FieldIdentity("network/pool.yaml", "CiliumLoadBalancerIPPool", "", "home", "spec.blocks"),),
)
SEEN = Candidate(A, Router("eth0", "fe80::1"), Verdict.CANDIDATE, 0, 14400, 1e9)
DECISION = Decision(Selection(A), Choice(A), Standing.CURRENT, (SEEN,))
WORDS = "[remote rejected] (pre-receive hook declined); remote: only on weekdays"
DECIDED = Decided("fedcba9876543210", {}, (HOME,))
DECLINED = Committed(
    DECIDED,
    "0123456789abcdef",
    Failed(Reason.HOOK, WORDS, Stage.PUSH),
    (Problem("no-target", 'what is "it"?', Place("a.yaml", 3, 9)),),
)
AWAY = Failed(Reason.DNS, "gone", Stage.LOOK)
OUTCOMES = {
    "pushed": Pushed(DECIDED, "2", "1"),
    "up to date": UpToDate(DECIDED),
    "another daemon leads": NotLeading(),
    "refused": DECLINED,
    "away": Stopped(AWAY),
    "contested": Committed(DECIDED, "2", Failed(Reason.CONTESTED, "moved", Stage.PUSH)),
    "held": Committed(DECIDED, "2", Failed(Reason.HELD, "theirs", Stage.PUSH)),
    "invalid": Invalid(Failed(Reason.INVALID, "errors", Stage.RENDER), ()),
}
AFTER_AN_HOUR = Clocks(lambda: 4600.0, lambda: NOON.replace(hour=13))


def declined() -> Report:
    """Two passes failed; the first one was an hour ago, after a good one."""
    progress = Progress()
    then = Moment(1000.0, NOON)
    progress = progress.after(OUTCOMES["pushed"], then, waiting=None, next_try_at=1300)
    for _ in range(2):
        progress = progress.after(DECLINED, then, waiting=then, next_try_at=4612.5)
    url = "https://robot:s3cret@git.example.com/home.git"
    return report(url, "main", progress, {"home": DECISION}, AFTER_AN_HOUR)


def test_the_json_has_the_keys_that_docs_promise():
    answer = json.loads(json.dumps(declined().document()))
    (home,) = answer.pop("prefixes")
    assert answer == {
        "publication": {
            "result": "refused",
            "words": WORDS,
            "stage": "push",
            "reason": "hook",
            "repository": "https://git.example.com/home.git",
            "branch": "main",
            "commit": "0123456789abcdef",
            "pending_since": "2026-11-24T12:00:00Z",
            "pending_seconds": 3600.0,
            "last_success": "2026-11-24T12:00:00Z",
            "failures": 2,
            "next_try_in_seconds": 12.5,
            "pass_seconds": None,
            "pass_stage": None,
            "delivered": [],
            "problems": [
                {
                    "path": "a.yaml",
                    "line": 3,
                    "column": 9,
                    "code": "no-target",
                    "message": 'what is "it"?',
                }
            ],
        }
    }
    assert home["standing"] == Standing.CURRENT
    assert home["announced"] == [
        {
            "prefix": str(A),
            "router": "fe80::1",
            "interface": "eth0",
            "source": "router-advertisement",
            "verdict": "candidate",
        }
    ]
    assert {key: home[key] for key in HOME.document()} == HOME.document()


def test_before_the_first_pass_the_json_has_the_same_keys():
    """A script that waits for `result` need not look whether it is there."""
    empty = report("/srv/home.git", "main", Progress(), {}, AFTER_AN_HOUR).document()
    assert empty["prefixes"] == []
    assert empty["publication"].keys() == declined().document()["publication"].keys()
    assert empty["publication"]["result"] is None
    assert empty["publication"]["next_try_in_seconds"] is None


def test_the_page_shows_the_servers_own_words_and_since_when_a_change_waits():
    page = render_page(declined()).decode()
    assert "remote: only on weekdays" in page
    assert "2026-11-24T12:00:00Z (1h)" in page
    assert "2 in a row failed" in page
    assert "in 12s" in page
    assert "s3cret" not in page
    assert "a.yaml:3:9: what is &quot;it&quot;?" in page


def test_what_was_read_once_is_shown_while_nothing_can_be_read():
    """A remote that went away takes no prefix off the page."""
    progress = declined().progress.after(
        Stopped(AWAY), Moment(2000.0, NOON), waiting=None, next_try_at=2030
    )
    assert progress.described == (HOME,)


@pytest.mark.parametrize("standing", Standing)
def test_degraded_is_true_only_while_the_prefix_is_held(standing):
    """By `maxChangesPerHour`, or another daemon: a condition of the hour, which is not in Git."""
    decisions = {"home": replace(DECISION, standing=standing)}
    page = render_page(replace(declined(), decisions=decisions)).decode()
    held = standing in {Standing.HELD, Standing.CONTESTED}
    assert f"<th>Degraded<td><code>{held}</code>" in page
    assert str(standing) in page


@pytest.mark.parametrize("outcome", OUTCOMES.values(), ids=OUTCOMES)
def test_every_outcome_has_a_mark(outcome):
    progress = Progress(outcome)
    assert '<span class="mark ' in render_page(Report("x", "main", progress)).decode()


def test_what_comes_from_outside_cannot_write_html():
    tag = "<script>x</script>"
    failed = Failed(Reason.HOOK, tag, Stage.PUSH)
    outcome = Committed(Decided(tag, {}), tag, failed, (Problem("code", tag, Place(tag)),))
    described = (Described(tag, tag, None, (FieldIdentity(tag, tag, tag, tag, tag),)),)
    report = Report(tag, tag, Progress(outcome, described=described))
    assert "<script" not in render_page(report).decode()


@pytest.fixture
def url() -> Iterator[str]:
    """The page as the daemon serves it, with the headers that forbid it everything but its style."""
    page = html_page(render_page(declined()))
    server = Server("127.0.0.1:0", {"/": lambda: page})
    yield f"http://127.0.0.1:{server.port}/"
    server.close()


def chromium(directory: Path, url: str, *words: str) -> str:
    """A real browser, with a profile of its own that is empty."""
    require("chromium")
    quiet = ["background-networking", "component-update", "sync", "gpu"]
    program = shutil.which("chromium")
    options = ["--headless", "--no-sandbox", "--no-first-run", f"--user-data-dir={directory}"]
    options += [f"--disable-{name}" for name in quiet]
    answer = subprocess.run(
        [program, *options, *words, url], check=True, capture_output=True, text=True, timeout=120
    )
    return answer.stdout


def test_a_browser_reads_the_page_as_it_is_meant(tmp_path, url):
    """The parser of a browser, which forgives, must have had nothing to forgive."""
    seen = chromium(tmp_path, url, "--dump-dom")
    assert seen.count("<section>") == seen.count("</section>") == 3
    assert seen.count("<table") == seen.count("</table>") == 3
    assert '<p class="words" id="words">' in seen
    assert "(pre-receive hook declined)\nremote: only on weekdays</p>" in seen
    assert "<th>waits since</th><td><code>2026-11-24T12:00:00Z (1h)</code></td>" in seen


@pytest.mark.parametrize(
    ("words", "dark"), [((), False), (("--blink-settings=preferredColorScheme=0",), True)]
)
def test_a_browser_draws_it_in_light_and_in_dark(tmp_path, url, words, dark):
    """The corner is ground: not white, which is no style at all, but nearly, or nearly black."""
    drawn = tmp_path / "page.png"
    chromium(tmp_path, url, "--window-size=1000,900", f"--screenshot={drawn}", *words)
    assert first_pixel(drawn) == ((0x14, 0x17, 0x1B) if dark else (0xF6, 0xF7, 0xF9))


def first_pixel(image: Path) -> tuple[int, int, int]:
    """Of a PNG of 8 bits a channel: the first pixel is stored as it is, whatever the filter."""
    raw = image.read_bytes()
    position, packed = 8, b""
    while position < len(raw):
        length, kind = struct.unpack(">I4s", raw[position : position + 8])
        packed += raw[position + 8 : position + 8 + length] if kind == b"IDAT" else b""
        position += length + 12
    return tuple(zlib.decompress(packed)[1:4])
