"""The status page: what the daemon knows now, which Git does not say; and the same as JSON."""

import json
from collections.abc import Iterator
from dataclasses import replace

import pytest

from gitops_prefix.daemon.clocks import Moment
from gitops_prefix.daemon.decisions import Overheard, WatchedLink
from gitops_prefix.daemon.outcome import (
    Committed,
    Decided,
    Invalid,
    NotLeading,
    Stopped,
    UpToDate,
)
from gitops_prefix.daemon.page import POLICY, render_page, span
from gitops_prefix.daemon.report import VERSION, Progress, Report, Setting, Shown, report
from gitops_prefix.daemon.server import Server, html_page
from gitops_prefix.decide.advertisement import Router
from gitops_prefix.decide.prefix import Prefix
from gitops_prefix.decide.selection import Selection, Standing
from gitops_prefix.errors import Place, Problem
from gitops_prefix.publish.branch_log import LoggedChange, PrefixMove
from gitops_prefix.publish.failure import Failed, Reason
from gitops_prefix.publish.stages import Stage
from gitops_prefix.render.binding import FieldIdentity
from gitops_prefix.render.inventory import Described
from tests.browser import Browser, browser
from tests.daemon.page_states import (
    AFTER_AN_HOUR,
    AWAY,
    DECIDED,
    DECISION,
    DECLINED,
    HOME,
    NOON,
    OUTCOMES,
    WORDS,
    A,
    declined,
    house,
)
from tests.decide.routers_saying import pio, said_at


def test_the_json_has_the_keys_that_docs_promise():
    answer = json.loads(json.dumps(declined().document()))
    (home,) = answer.pop("prefixes")
    assert answer == {
        "version": VERSION,
        "links": [],
        "routers": [],
        "leases": [],
        "changes": [],
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
        },
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
    assert home["held_back"] is False


def test_the_json_has_the_links_the_routers_and_the_changes():
    answer = json.loads(json.dumps(house().document()))
    assert answer["links"] == [
        {"name": "eth0", "present": True, "up": True},
        {"name": "wan", "present": True, "up": False},
    ]
    assert answer["routers"][0] == {
        "address": "fe80::1",
        "interface": "eth0",
        "source": "router-advertisement",
        "heard_seconds_ago": 20.0,
        "router_lifetime_seconds": 1780.0,
        "preference": "medium",
        "prefixes": [
            {"prefix": "2001:db8:9::/64", "valid_seconds": 7180.0, "preferred_seconds": 0.0},
            {"prefix": str(A), "valid_seconds": 86380.0, "preferred_seconds": 14380.0},
        ],
    }
    assert answer["routers"][1]["prefixes"][0]["valid_seconds"] is None, "it never ends"
    assert answer["changes"][0] == {
        "commit": "00" * 20,
        "url": f"https://github.com/me/home-ops/commit/{'00' * 20}",
        "time": "2026-11-24T11:00:00Z",
        "subject": "prefix(home): 2001:db8:9::/64 -> 2001:db8:a::/64",
        "prefixes": [{"name": "home", "before": "2001:db8:9::/64", "after": "2001:db8:a::/64"}],
    }


def test_before_the_first_pass_the_json_has_the_same_keys():
    """A script that waits for `result` need not look whether it is there."""
    empty = report("/srv/home.git", "main", Progress(), {}, AFTER_AN_HOUR).document()
    assert empty["prefixes"] == []
    assert empty["publication"].keys() == declined().document()["publication"].keys()
    assert empty["publication"]["result"] is None
    assert empty["publication"]["next_try_in_seconds"] is None


def page_of(report: Report) -> str:
    return render_page(report).decode()


def test_the_page_shows_the_servers_own_words_and_since_when_a_change_waits():
    page = page_of(declined())
    assert "remote: only on weekdays" in page
    assert "2026-11-24T12:00:00Z (<span data-age=3600>1h</span>)" in page
    assert "2 tries in a row failed" in page
    assert "<span data-left=12>12s</span>" in page
    assert "s3cret" not in page
    assert "a.yaml:3:9" in page
    assert "what is &quot;it&quot;?" in page


def test_a_problem_has_its_code_its_place_and_its_remedy():
    page = page_of(house(DECLINED))
    assert ">no-target</a>" in page
    assert "Remedy: name the target" in page


def test_what_was_read_once_is_shown_while_nothing_can_be_read():
    """A remote that went away takes no prefix off the page."""
    progress = declined().progress.after(
        Stopped(AWAY), Moment(2000.0, NOON), waiting=None, next_try_at=2030
    )
    assert progress.described == (HOME,)


ELSEWHERE = replace(DECISION, selection=Selection(Prefix.parse("2001:db8:b::/64")))
HELD = replace(DECIDED, held=frozenset({"home"}))
NOT_GREEN = {
    "before the first pass": Report("x", "main"),
    "another prefix is announced": house(decisions=ELSEWHERE),
    "an error holds it back": house(UpToDate(HELD)),
    "an error holds it back, and the rest is published": house(
        Invalid(Failed(Reason.INVALID, "errors", Stage.RENDER), (), HELD)
    ),
    "a push would be refused": house(refusal="a push would be refused: read-only key"),
    "nothing is followed": house(UpToDate(replace(DECIDED, described=()))),
    **{name: house(outcome) for name, outcome in OUTCOMES.items() if outcome.failed},
    "who leads is not known": house(OUTCOMES["pushed"], NotLeading()),
    **{
        standing.name: house(decisions=replace(DECISION, standing=standing))
        for standing in Standing
        if standing not in {Standing.CURRENT, Standing.STATIC}
    },
}


@pytest.mark.parametrize("unpublished", NOT_GREEN.values(), ids=NOT_GREEN)
def test_the_headline_is_green_only_when_everything_is_published(unpublished):
    assert 'class="card state good"' not in page_of(unpublished)


@pytest.mark.parametrize("name", [name for name in NOT_GREEN if "push" not in name])
def test_a_prefix_is_green_only_when_it_is_published(name):
    assert '"mark good">published' not in page_of(NOT_GREEN[name])


@pytest.mark.parametrize("standing", [Standing.CURRENT, Standing.STATIC])
@pytest.mark.parametrize("outcome", ["pushed", "up to date"])
def test_what_is_published_is_green(outcome, standing):
    page = page_of(house(OUTCOMES[outcome], decisions=replace(DECISION, standing=standing)))
    assert 'class="card state good"' in page
    assert '"mark good">published' in page


def test_the_rest_is_green_while_an_error_holds_back_one():
    other = replace(HELD, described=(HOME, HOME._replace(name="guests")))
    invalid = Invalid(Failed(Reason.INVALID, "errors", Stage.RENDER), (), other)
    unheld = page_of(house(invalid)).partition("guests</h2>")[2]
    assert 'mark wait">' in unheld, "nothing was decided for it yet"
    both = {"home": DECISION, "guests": DECISION}
    page = page_of(replace(house(invalid), decisions=both))
    assert '"mark bad">held back' in page
    assert '"mark good">published' in page.partition("guests</h2>")[2]


def test_who_does_not_lead_says_that_and_not_who_does():
    """When no API server answers, nobody may lead."""
    lead = "not known who leads: the API server cannot be reached"
    page = page_of(house(NotLeading(), lead=lead))
    assert "This daemon does not lead" in page
    assert "cannot be reached" in page
    assert "another daemon" not in page


@pytest.mark.parametrize("outcome", OUTCOMES.values(), ids=OUTCOMES)
def test_every_outcome_has_a_headline(outcome):
    page = page_of(Report("x", "main", Progress(outcome)))
    assert "<h2 id=state-title>" in page


def test_what_comes_from_outside_cannot_write_html():
    tag = "<script>x</script>"
    failed = Failed(Reason.HOOK, tag, Stage.PUSH)
    outcome = Committed(Decided(tag, {}), tag, failed, (Problem(tag, tag, Place(tag)),))
    described = (Described(tag, tag, None, (FieldIdentity(tag, tag, tag, tag, tag),)),)
    shown = Shown((Setting(tag, tag, tag),), {tag: tag})
    change = LoggedChange(tag, NOON, tag, (PrefixMove(tag, tag, tag),))
    routers = said_at({}, Router(tag, tag), 1.0, pio(A))
    outside = replace(
        Report(tag, tag, Progress(outcome, described=described)),
        delivered=(tag,), refusal=tag, lead=tag, changes=(change,), shown=shown,
        overheard=Overheard(2.0, routers, (WatchedLink(tag, True, True, 1.0),)),
    )  # fmt: skip
    page = page_of(outside)
    assert page.count("<script") == 1
    assert "alert" not in page.partition("<script>")[2] or tag not in page


def crowded() -> Report:
    """A flood of routers, and hundreds of fields, with names as long as they may be."""
    long = "n" * 253
    fields = tuple(FieldIdentity(f"{long}/{n}", long, long, long, long) for n in range(300))
    described = tuple(HOME._replace(name=f"{long}{n}", bindings=fields) for n in range(40))
    problems = tuple(Problem("no-target", "x" * 2000, Place(long, n, 1)) for n in range(300))
    decided = replace(DECIDED, described=described, problems=problems)
    routers = {}
    for n in range(256):
        prefixes = [pio(Prefix.parse(f"2001:db8:{n:x}:{m:x}::/64")) for m in range(20)]
        routers = said_at(routers, Router("eth0", f"fe80::{n:x}"), 4000.0 + n, *prefixes)
    return house(UpToDate(decided), overheard=Overheard(4600.0, routers))


def test_the_page_stays_small_whatever_the_house_holds():
    page = render_page(crowded())
    assert len(page) < 60 * 1024
    assert b"and " in page
    assert b" more" in page


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(0, "0s"), (59.9, "59s"), (60, "1m"), (61, "1m 1s"), (7200, "2h"), (7260, "2h 1m"),
     (7205, "2h"), (100_000, "1d 3h"), (-5, "0s")],
)  # fmt: skip
def test_a_length_of_time_has_its_two_largest_units(seconds, words):
    assert span(seconds) == words


@pytest.fixture(scope="module")
def chromium(tmp_path_factory) -> Iterator[Browser]:
    with browser(tmp_path_factory.mktemp("profile")) as opened:
        yield opened


class Served:
    """The page as the daemon serves it; a test says what it shows."""

    def __init__(self, shows: Report) -> None:
        self.shows = shows
        page = lambda: html_page(render_page(self.shows), POLICY)  # noqa: E731
        self.server = Server("127.0.0.1:0", {"/": page})
        self.url = f"http://127.0.0.1:{self.server.port}/"


@pytest.fixture
def served() -> Iterator[Served]:
    found = Served(house(DECLINED))
    yield found
    found.server.close()


STATES = {"good": house(), "bad": house(DECLINED), "wait": house(NotLeading())}


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
@pytest.mark.parametrize("state", STATES)
def test_every_text_can_be_read_at_every_width(chromium, served, state, dark):
    """Contrast of 4.5 at least (WCAG 2.2, 1.4.3), and nothing is scrolled sideways (1.4.10)."""
    served.shows = STATES[state]
    for width in (360, 800, 1600):
        chromium.open(served.url, width, dark=dark)
        chromium.evaluate("document.querySelectorAll('details').forEach(each => each.open = true)")
        contrast, text = chromium.contrasts()[0]
        assert contrast >= 4.5, text
        assert not chromium.overflows(), width
    ground = chromium.evaluate("getComputedStyle(document.body).backgroundColor")
    assert ground == ("rgb(18, 22, 27)" if dark else "rgb(244, 246, 248)")
    assert chromium.complaints() == []
    assert {url.rpartition("/")[2] for url in chromium.requested()} <= {"", "favicon.ico"}


@pytest.mark.parametrize("width", [360, 800, 1600])
def test_names_as_long_as_they_may_be_scroll_nothing_sideways(chromium, served, width):
    served.shows = replace(crowded(), repository="r" * 300, branch="b" * 200, lead="l" * 300)
    chromium.open(served.url, width)
    assert not chromium.overflows()


def test_a_screen_reader_finds_its_way(chromium, served):
    chromium.open(served.url)
    heard = chromium.heard()
    for role in ("banner", "navigation", "main", "contentinfo", "status"):
        assert sum(known == role for known, _ in heard) == 1, role
    headings = [name for role, name in heard if role == "heading"]
    assert headings[:2] == ["gitops-prefix", "The repository refuses our change"]
    regions = {name for role, name in heard if role == "region"}
    assert {"Problems", "home", "Links", "Routers", "Changes", "Publication"} <= regions
    assert regions <= set(headings), "each has a heading that names it"
    assert all(name for role, name in heard if role in {"link", "heading", "region"})
    assert chromium.evaluate("document.documentElement.lang") == "en"
    levels = chromium.evaluate(
        "[...document.querySelectorAll('h1,h2,h3')].map(each => Number(each.tagName[1]))"
    )
    assert levels[0] == 1
    assert levels.count(1) == 1


def test_a_commit_links_to_the_forge(chromium, served):
    chromium.open(served.url)
    links = chromium.evaluate("[...document.querySelectorAll('#log a')].map(each => each.href)")
    assert links[0] == f"https://github.com/me/home-ops/commit/{'00' * 20}"
    assert len(links) == 20


def test_the_page_counts_and_follows_by_itself(chromium, served):
    """Without a reload: what the reader opened stays open, and the headline is said anew."""
    served.shows = house(DECLINED)
    chromium.open(served.url)
    chromium.evaluate(
        "window.loaded = true, document.getElementById('prefix-0-fields').open = true"
    )
    heard = "document.querySelector('[aria-labelledby=routers-title] [data-age]').textContent"
    chromium.until(f"/^(2[1-9]|[3-9][0-9])s$|m/.test({heard})")
    served.shows = house()
    chromium.until("document.querySelector('#state').classList.contains('good')")
    assert chromium.evaluate("window.loaded") is True
    assert chromium.evaluate("document.getElementById('prefix-0-fields').open") is True
    assert chromium.evaluate("document.getElementById('spoken').textContent").startswith(
        "Published"
    )
    assert chromium.evaluate("document.title").startswith("Published")


def test_a_daemon_that_is_gone_is_said(chromium, served):
    chromium.open(served.url)
    assert chromium.evaluate("document.getElementById('away').checkVisibility()") is False
    served.server.close()
    chromium.until("document.getElementById('away').checkVisibility()")


def test_a_path_of_any_bytes_is_shown():
    """Git has paths that are no UTF-8, and a page is."""
    path = "netz-\udce9/prefix.yaml"
    problem = Problem("not-yaml", f"{path} is not YAML", Place(path, 1, 1))
    wrong = Invalid(Failed(Reason.INVALID, path, Stage.RENDER), (problem,))
    page = render_page(house(wrong))
    assert r"netz-\udce9/prefix.yaml" in page.decode()
