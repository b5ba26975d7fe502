"""Fuzzing of codec and selection together, guided by coverage.

`python -m tests.watch.fuzz_selection -max_total_time=120 -max_len=4096 -len_control=0 [CORPUS]`
(libFuzzer's options; atheris has to be installed: `pip install atheris`). One input is a night on a
link: packets of a few routers, each as bytes through the codec, pauses, solicitations, a link that
goes down, and what another daemon or a person writes into the repository. What must hold after
each of them is in `check`.
"""

import sys
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import count

import atheris

with atheris.instrument_imports(include=["gitops_prefix.decide", "gitops_prefix.watch.codec"]):
    from gitops_prefix.decide.advertisement import Router
    from gitops_prefix.decide.policy import Verdict
    from gitops_prefix.decide.prefix import Prefix
    from gitops_prefix.decide.selection import Decision, Standing
    from gitops_prefix.decide.specification import Acquisition, Specification
    from gitops_prefix.decide.status import PrefixSource
    from gitops_prefix.decide.transition import Choice, advance
    from gitops_prefix.plan.ears import Advertised, Ears, LinkChanged, Watched
    from gitops_prefix.watch.codec import Rejected, decode

from tests.watch.advertisements import HEADER, MTU, PIO, RDNSS, ROUTE, message

ROUTERS = [Router("eth0", f"fe80::{number}") for number in range(1, 4)]
SOURCE = bytes.fromhex("fe80") + bytes(13) + b"\x01"
PREFIXES = [Prefix.parse(f"2001:db8:{number}::/64") for number in range(4)]
POLICIES = (
    Acquisition(interfaces=("eth0",)),
    Acquisition(interfaces=("eth0",), require_global_unicast=False),
    Acquisition(interfaces=("eth0",), prefer_routers=("fe80::2",)),
    Acquisition(interfaces=("eth0",), routers=("fe80::1", "fe80::3")),
)
OPTIONS = [bytes.fromhex(part) for part in (PIO, MTU, RDNSS, ROUTE)]
MOST_EVENTS = 200
SHOWN = 100_000
"""Advertisements after which their number is printed: libFuzzer counts whole nights only."""
sent, decided = count(1), count(1)


@dataclass
class Night:
    """A link, and the repository that follows it."""

    specification: Specification
    now: float = 0.0
    ears: Ears = field(default_factory=Ears)
    watched: Watched | None = None

    def follow(self, watched: Watched) -> None:
        self.watched = watched
        self.ears = self.ears.follow({"home": watched})

    def decide(self) -> None:
        self.ears = self.ears.decide(self.now)
        decision = self.ears.decisions["home"]
        check(decision, self.now)
        if next(decided) % 8:
            return
        again = self.ears.decide(self.now).decisions["home"]
        assert (again.current, again.standing) == (decision.current, decision.standing)

    def write(self, choice: Choice) -> None:
        when = datetime(2026, 1, 1, tzinfo=UTC) + timedelta(seconds=self.now)
        status = advance(self.specification, self.watched.status, choice, when)
        self.follow(Watched(self.specification, status))


def check(decision: Decision, now: float) -> None:
    """What holds of every decision."""
    assert decision.look_again_at > now
    proposed = decision.selection.proposed
    if proposed is not None:
        candidates = [found for found in decision.candidates if found.prefix == proposed.prefix]
        assert any(found.verdict is Verdict.CANDIDATE for found in candidates)
    if decision.standing is Standing.CURRENT:
        assert decision.current is not None
    if decision.standing in {Standing.HELD, Standing.CONTESTED}:
        assert proposed is None


def packet(chance: atheris.FuzzedDataProvider) -> bytes:
    """A message with options that routers send, some octets of it changed."""
    payload = bytearray(message(HEADER))
    for _ in range(chance.ConsumeIntInRange(0, 3)):
        option = bytearray(chance.PickValueInList(OPTIONS))
        if option[0] == 3:
            lifetimes = (0, 60, 1800, 14_400, 0xFFFFFFFF)
            option[4:8] = chance.PickValueInList(list(lifetimes)).to_bytes(4, "big")
            option[8:12] = chance.PickValueInList(list(lifetimes)).to_bytes(4, "big")
            option[16:24] = chance.PickValueInList(PREFIXES).network.to_bytes(16, "big")[:8]
            if chance.ConsumeProbability() < 0.2:
                option[16] = 0xFD
        payload += option
    if chance.ConsumeBool():
        payload[6:8] = chance.PickValueInList([0, 60, 1800]).to_bytes(2, "big")
    for _ in range(chance.ConsumeIntInRange(0, 2)):
        payload[chance.ConsumeIntInRange(2, len(payload) - 1)] = chance.ConsumeIntInRange(0, 255)
    return bytes(payload)


def live(octets: bytes) -> None:
    """One night."""
    chance = atheris.FuzzedDataProvider(octets)
    specification = Specification("home", chance.PickValueInList(list(POLICIES)))
    night = Night(specification)
    night.follow(Watched(specification, None))
    for _ in range(MOST_EVENTS):
        if not chance.remaining_bytes():
            return
        if happen(night, chance):
            night.decide()


def happen(night: Night, chance: atheris.FuzzedDataProvider) -> bool:
    """One event; whether the daemon would decide anew."""
    match chance.ConsumeIntInRange(0, 15):
        case 0:
            night.now += chance.PickValueInList([0.1, 3.0, 4.0, 60.0, 600.0, 1800.0, 7200.0])
        case 1:
            for interface in night.ears.solicit:
                night.ears = night.ears.asked(interface, night.now)
        case 2:
            night.ears = night.ears.hear(LinkChanged("eth0", False, True, night.now))
        case 3:
            prefix = chance.PickValueInList(PREFIXES)
            night.write(Choice(prefix, PrefixSource.ROUTER_ADVERTISEMENT))
        case 4:
            night.write(night.ears.choices.get("home", Choice(None)))
        case _:
            return hear(night, chance)
    return True


def hear(night: Night, chance: atheris.FuzzedDataProvider) -> bool:
    """One advertisement, through the codec, and often repeated; whether it is news."""
    read = decode(packet(chance), source=SOURCE, hop_limit=255)
    router = chance.PickValueInList(ROUTERS)
    pause = chance.PickValueInList([0.0, 0.005, 1.0, 200.0])
    times = chance.PickValueInList([1, 1, 2, 10])
    if isinstance(read, Rejected):
        note_sent()
        return False
    for _ in range(times):
        note_sent()
        night.now += pause
        event = Advertised(router, read, night.now, False)
        news = night.ears.is_news(event)
        night.ears = night.ears.hear(event)
        if news:
            night.decide()
    return False


def note_sent() -> None:
    if not (number := next(sent)) % SHOWN:
        print(f"{number} advertisements", file=sys.stderr)


def main() -> None:
    """Fuzz until libFuzzer's options say stop; a failure leaves the input in `crash-…`."""
    atheris.Setup(sys.argv, live)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
