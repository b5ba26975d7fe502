"""What happens between the events, and what does not."""

import pytest

from gitops_prefix.decide.prefix import Prefix
from gitops_prefix.errors import InputError
from gitops_prefix.render.settings import Settings
from gitops_prefix.simulate.scenario import Event, Observed, Scenario, StandIns
from gitops_prefix.simulate.steps import event_words, value_at
from gitops_prefix.simulate.walk import MOST_INSTANTS, walk
from tests.simulate.homes import NOW, files, stood_in, told, walked

A, B = "2001:db8:1234::/64", "2001:db8:1235::/64"
RENUMBER = """
until: {until}
routers: {{isp: {{every: 1m}}}}
events:
  - {{at: 0s, announces: [A]}}
  - {{at: 10m, announces: [{second}]}}
"""


def renumbered(transition: str, second: str = "B", until: str = "4h") -> list:
    return told(walked(RENUMBER.format(second=second, until=until), files(transition)))


@pytest.mark.parametrize(
    ("transition", "second", "expected"),
    [
        pytest.param("transition: {}", "B", [(0, A), (600, B)], id="at once"),
        pytest.param(
            "transition: {stabilizationWindow: 5m}", "B", [(0, A), (900, B)], id="after the window"
        ),
        pytest.param("transition: {}", "", [(0, A)], id="an empty advertisement changes nothing"),
        pytest.param(
            "transition: {retention: 1h}", "B", [(0, A), (600, B), (4200, B)], id="retention ends"
        ),
        pytest.param(
            "transition: {mode: ha, dnsDelay: 20m}",
            "{prefix: A, preferred: 0s}, B",
            [(0, A), (600, B), (1800, B)],
            id="the DNS target moves in a commit of its own",
        ),
        pytest.param(
            "transition: {mode: ha, dnsDelay: 20m}", "B", [(0, A), (600, B)],
            id="and at once when the old prefix is gone",
        ),
    ],
)  # fmt: skip
def test_a_renumbering_makes_the_commits(transition, second, expected):
    assert [(at, current) for at, current, _ in renumbered(transition, second)] == expected


def test_a_lifetime_that_runs_out_is_a_step_and_no_commit():
    """Fail static: said, and nothing is emptied."""
    text = "{routers: {isp: {}}, events: [{at: 0s, announces: [{prefix: A, valid: 1h, preferred: 30m}]}, {at: 5m, silent: true}]}"
    walk = walked(text)
    assert len(told(walk)) == 1
    [ended] = [step for step in walk.steps if step.at == 1808]
    assert "router gone" in str(ended.looks["home-ipv6"].standing)


def test_what_git_does_not_get_waits_and_is_pushed_together():
    walk = walked(
        "{until: 1h, routers: {isp: {}}, events: [{at: 0s, announces: [A]}, {at: 1m, git: away},"
        " {at: 2m, announces: [B]}, {at: 5m, announces: [C]}, {at: 20m, git: back}]}",
        files("transition: {}"),
    )
    steps = [step for step in walk.steps if not step.solicited]
    assert [(step.commit, step.waiting, step.pushed) for step in steps] == [
        (1, 0, 1), (0, 0, 0), (2, 1, 0), (3, 2, 0), (0, 0, 2),
    ]  # fmt: skip


def test_a_restart_forgets_the_window_and_no_prefix():
    """The repository is the database; what was heard is heard again."""
    walk = walked(
        "{until: 1h, routers: {isp: {every: 1h}}, events: [{at: 0s, announces: [A]},"
        " {at: 10m, announces: [B]}, {at: 12m, daemon: restarts}]}",
        files("transition: {stabilizationWindow: 5m}"),
    )
    assert [(at, current) for at, current, _ in told(walk)] == [(0, A), (12 * 60 + 1 + 300, B)]


def test_what_comes_while_the_link_is_down_is_not_heard():
    walk = walked(
        "{until: 1h, routers: {isp: {}}, events: [{at: 0s, announces: [A]}, {at: 1m, link: down},"
        " {at: 2m, announces: [B]}, {at: 9m, link: up}]}",
        files("transition: {}"),
    )
    # A second for the answer, and five for other routers to speak up (selection.GRACE).
    assert [(at, current) for at, current, _ in told(walk)] == [(0, A), (546, B)]


def test_a_prefix_that_does_not_fit_is_told_and_the_walk_goes_on():
    """A step that an error stops leaves everything as it was."""
    steps = [Prefix.parse(text) for text in (A, "2001:db8::/72", B)]
    events = tuple(Event(3600 * at, Observed("home-ipv6", one)) for at, one in enumerate(steps))
    result = walk(files("transition: {}"), Settings(), Scenario("", NOW, events))
    assert result.refused
    assert [[one.code for one in step.problems] for step in result.steps] == [
        [], ["does-not-fit"], [],
    ]  # fmt: skip
    assert [step.commit for step in result.steps] == [1, 0, 2]


def test_a_farewell_ends_in_the_standing_once_the_router_was_asked_twice():
    walk = walked(
        "{until: 1h, routers: {isp: {}}, events: [{at: 0s, announces: [A]}, {at: 30m, farewell: true}]}"
    )
    assert [(step.at, step.solicited) for step in walk.steps if step.solicited] == [
        (1800, ("eth0",)), (1804, ("eth0",)),
    ]  # fmt: skip
    assert "router gone" in str(walk.steps[-1].looks["home-ipv6"].standing)


def test_what_is_lost_is_not_heard_and_what_comes_after_it_is():
    """Two packets at one time are lost together."""
    walk = walked(
        "{until: 1h, routers: {isp: {every: 5m}}, events: [{at: 0s, announces: [A]}, {at: 12m, lost: 2},"
        " {at: 13m, packets: [{announces: [B]}, {announces: ['fd00::/64']}]}]}",
        files("transition: {}"),
    )
    assert [(at, current) for at, current, _ in told(walk)] == [(0, A), (13 * 60 + 600, B)]


def test_what_is_sent_once_is_not_repeated_and_the_router_goes_on():
    walk = walked(
        "{until: 1h, routers: {isp: {every: 5m}}, events: [{at: 0s, announces: [A]},"
        " {at: 12m, announces: [B], once: true}]}",
        files("transition: {}"),
    )
    assert [current for _, current, _ in told(walk)] == [A, B, A]


def test_two_routers_may_share_an_address():
    walk = walked(
        "{until: 30m, routers: {isp: {every: 5m}, otbr: {every: 3m, lifetime: 0s}}, events:"
        " [{at: 0s, router: isp, announces: [A]}, {at: 1s, router: otbr, announces: [], routes: ['fd00:7::/64']},"
        " {at: 20m, router: otbr, silent: true}]}"
    )
    assert [current for _, current, _ in told(walk)] == [A]
    assert sum(step.repeated for step in walk.steps) + walk.repeated > 10


def test_more_moments_than_anybody_waits_for_are_refused(monkeypatch):
    assert MOST_INSTANTS <= 100_000, "seconds of a core"
    monkeypatch.setattr("gitops_prefix.simulate.walk.MOST_INSTANTS", 300)
    text = "{until: 1h, routers: {isp: {every: 3s}}, events: [{at: 0s, announces: [A]}]}"
    with pytest.raises(InputError, match="more than 300 moments: a longer `every`"):
        walked(text)


@pytest.mark.parametrize(
    ("field", "expected"),
    [
        ("spec.blocks", [{"cidr": "a"}]),
        ("spec.blocks[0].cidr", "a"),
        ("spec.blocks[1].cidr", None),
        ("metadata.annotations.lbipam.cilium.io/ips", "b"),
        ("metadata.annotations.lbipam", None),
        ("nothing", None),
    ],
)
def test_a_field_is_found_by_its_dotted_name(field, expected):
    """Keys may hold dots themselves."""
    document = {
        "spec": {"blocks": [{"cidr": "a"}]},
        "metadata": {"annotations": {"lbipam.cilium.io/ips": "b"}},
    }
    assert value_at(document, field) == expected


@pytest.mark.parametrize(
    "within", [(), ("2001:db8::/32",), ("2001:db8:1000::/40",), ("2000::/3", "2001:db8:1200::/52")]
)
def test_every_letter_is_another_prefix_that_the_policy_lets_through(within):
    outer = tuple(map(Prefix.parse, within))
    current = Prefix.parse(
        "2001:db8:1000:42::/64" if "/40" in str(within) else "2001:db8:1200:42::/64"
    )
    letters = [
        StandIns(current=current, within=outer).prefix(one) for one in "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
    ]
    assert letters[0] == current
    assert len(set(letters)) == 26
    assert all(not outer or any(one.covers(letter) for one in outer) for letter in letters)


def test_a_letter_without_room_is_refused():
    current = Prefix.parse(A)
    with pytest.raises(ValueError, match="write the prefix out"):
        StandIns(current=current, within=(current,)).prefix("B")


def test_what_is_left_open_is_what_the_repository_says():
    guarded = files(old="interface: eth0", new='interface: lan7\n      routers: ["fe80::77"]')
    assert (stood_in(guarded).interface, stood_in(guarded).router) == ("lan7", "fe80::77")
    text = guarded["prefix.yaml"] + b"status: {currentPrefix: '2001:db8:9::/64'}\n"
    assert str(stood_in({**guarded, "prefix.yaml": text}).current) == "2001:db8:9::/64"


def test_what_a_restart_forgets_includes_how_often_it_changed():
    """The count is memory: a held change is made after it."""
    text = (
        "{until: 30m, routers: {isp: {every: 1h}}, events: [{at: 0s, announces: [A]},"
        " {at: 2m, announces: [B]}, {at: 4m, announces: [C]}, {at: 20m, daemon: restarts}]}"
    )
    moments = [at for at, _, _ in told(walked(text, files("transition: {maxChangesPerHour: 1}")))]
    assert moments[:2] == [0, 120]
    assert 1200 < moments[2] < 1210


def test_what_render_refuses_is_shown_as_held_back():
    """An entry of the user's that the next prefix would overlap: its pool stays as it is."""
    home = files("transition: {}")
    mine = b'    - cidr: "2001:db8:1235:0:f000::/72"\n'
    home["pool.yaml"] = home["pool.yaml"].rstrip(b"\n") + b"\n" + mine
    walk = walked(RENUMBER.format(second="B", until="1h"), home)
    refused = walk.steps[1]
    assert [one.code for one in refused.problems] == ["overlap"]
    assert str(refused.looks["home-ipv6"].after.current) == B
    assert "pool.yaml" not in {change.path for change in refused.changes}
    assert walk.refused


def test_a_repository_that_watches_nothing_or_filters_all_still_has_stand_ins():
    static = files(
        old="routerAdvertisement:\n      interface: eth0", new=f'static: {{prefix: "{B}"}}'
    )
    assert stood_in(static) == StandIns()
    filtered = files(
        old="interface: eth0", new='interface: eth0\n    prefixFilter: {within: ["2a02:810::/32"]}'
    )
    assert str(stood_in(filtered).current) == "2a02:810::/64"


def test_a_static_prefix_is_itself_whatever_is_announced():
    static = files(
        old="routerAdvertisement:\n      interface: eth0", new=f'static: {{prefix: "{B}"}}'
    )
    walk = walked("{until: 1h, routers: {isp: {}}, events: [{at: 0s, announces: [A]}]}", static)
    assert [current for _, current, _ in told(walk)] == [B]


SEVERAL = """
until: 30h
routers: {isp: {every: 10m}}
events:
  - {at: 0s, announces: [A]}
  - {at: 1h, source: dhcpv6pd, gives: [{prefix: B, valid: 2h, preferred: 1h}]}
  - {at: 2h, source: webhook, gives: [C]}
  - {at: 20h, daemon: restarts}
"""


KERNEL_AND_ROUTER = """
until: 12h
routers: {isp: {every: 10m, preferred: 30m, valid: 30m}}
events:
  - {at: 0s, source: kernel, gives: [A]}
  - {at: 1h, source: kernel, gives: [A, B], note: the kernel keeps the old one}
  - {at: 1h10m, source: kernel, gives: [B]}
  - {at: 2h, announces: [C]}
  - {at: 3h, silent: true}
  - {at: 5h, daemon: restarts}
  - {at: 6h, link: down}
  - {at: 6h10m, link: up, note: the kernel learns its prefix again}
  - {at: 7h, source: kernel, gives: []}
"""


def test_the_kernel_is_a_source_of_a_scenario_too():
    sources = "      interface: eth0\n    kernel:\n      interface: eth0"
    walk = walked(
        KERNEL_AND_ROUTER, files("transition: {}", old="      interface: eth0", new=sources)
    )
    changes = [(at, current) for at, current, _ in told(walk)]
    assert changes == [(0, A), (4200, B), (7200, "2001:db8:1236::/64"), (12008, B)]
    assert "kernel has no prefix" in "".join(
        words for step in walk.steps for words in map(str, map(event_words, step.events))
    )


def test_each_source_counts_before_the_next_and_an_update_outlives_a_restart():
    sources = "      interface: eth0\n    dhcpv6pd:\n      interface: eth0\n    webhook: {}"
    home = files("transition: {}", old="      interface: eth0", new=sources)
    walk = walked(SEVERAL, home)
    changes = [(at, current) for at, current, _ in told(walk)]
    assert changes == [(0, A), (3600, B), (10800, "2001:db8:1236::/64")]
    assert "dhcpv6-pd gives 2001:db8:1235::/64" in "".join(
        words for step in walk.steps for words in map(str, map(event_words, step.events))
    )
