"""Houses for the page to show: what is published, what waits, and what is wrong."""

from datetime import UTC, datetime, timedelta
from math import inf

from gitops_prefix.daemon.clocks import Clocks, Moment
from gitops_prefix.daemon.decisions import Overheard, WatchedLink
from gitops_prefix.daemon.outcome import (
    Committed,
    Decided,
    Invalid,
    NotLeading,
    Outcome,
    Pushed,
    Stopped,
    UpToDate,
)
from gitops_prefix.daemon.report import Progress, Report, Setting, Shown, report
from gitops_prefix.decide.advertisement import INFINITY, Router
from gitops_prefix.decide.candidate import Candidate
from gitops_prefix.decide.policy import Verdict
from gitops_prefix.decide.prefix import Prefix
from gitops_prefix.decide.selection import Decision, Selection, Standing
from gitops_prefix.decide.status import read_status
from gitops_prefix.decide.transition import Choice
from gitops_prefix.errors import Place, Problem
from gitops_prefix.publish.branch_log import LoggedChange, PrefixMove
from gitops_prefix.publish.failure import Failed, Reason
from gitops_prefix.publish.stages import Stage
from gitops_prefix.render.binding import FieldIdentity
from gitops_prefix.render.inventory import Described
from tests.decide.routers_saying import pio, said_at

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
SEEN = Candidate(
    A,
    Router("eth0", "fe80::1"),
    Verdict.CANDIDATE,
    preference=0,
    preferred_lifetime=14400,
    ends_at=1e9,
    ask_at=inf,
    default_router=True,
    gone=False,
    silent=False,
    left_out=False,
)
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


HEARD = (
    (Router("eth0", "fe80::1"), (pio(A), pio(Prefix.parse("2001:db8:9::/64"), 0, 7200)), 4580.0),
    (Router("eth1", "fe80::2"), (pio(Prefix.parse("2001:db8:77::/64"), *2 * [INFINITY]),), 4000.0),
)
CHANGES = tuple(
    LoggedChange(
        f"{number:02}" * 20,
        NOON - timedelta(hours=1 + 9 * number),
        "prefix(home): 2001:db8:9::/64 -> 2001:db8:a::/64",
        (PrefixMove("home", "2001:db8:9::/64", "2001:db8:a::/64"),),
    )
    for number in range(20)
)
SHOWN = Shown((Setting("Repository", "--branch", "main"),), {"no-target": "name the target"})


def house(*passes: Outcome, decisions: Decision = DECISION, **more: object) -> Report:
    """A daemon at one in the afternoon, after these passes; else after one that found all right."""
    progress = Progress()
    for outcome in passes or (OUTCOMES["up to date"],):
        waiting = None if outcome.failed is None else Moment(4000.0, NOON)
        then = Moment(4500.0, NOON + timedelta(seconds=3500))
        progress = progress.after(outcome, then, waiting=waiting, next_try_at=4700)
    routers = {}
    for router, prefixes, at in HEARD:
        routers = said_at(routers, router, at, *prefixes)
    links = (WatchedLink("eth0", True, True, 100.0), WatchedLink("wan", True, False, 4000.0))
    known = {"overheard": Overheard(4600.0, routers, links), "changes": CHANGES, "shown": SHOWN}
    url = "ssh://git@github.com/me/home-ops.git"
    return report(url, "main", progress, {"home": decisions}, AFTER_AN_HOUR, **known | more)
