"""Random houses, 48 hours each, with the truth kept for each router.

A house has one to four routers: a primary that renumbers by flash and gracefully, an LTE
backup, a Thread border router, a router daemon that restarts, a CPE that is replaced.
Packets are lost and overtake each other. Intervals are 3 s to 30 min, lifetimes 45 s to
infinite. `live` walks through one house and asserts, after every packet:

* After a change of the router that carried the current prefix, its successor is current
  within one advertisement.
* Nothing changes without a change of the house, or a packet loss that nobody could see through.
* The prefix is "no longer announced" at most twice a day, but for what was true.
* After a CPE was replaced, another prefix is current within three intervals and two rounds.
* At the end the right one is current.

`python -m tests.decide.houses FIRST END [PROCESSES]` walks through many.
"""

import heapq
import sys
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from itertools import count
from math import inf
from random import Random

from gitops_prefix.decide.advertisement import INFINITY, Preference, Router, RouterAdvertisement
from gitops_prefix.decide.announcement import ANSWER, ROUNDS
from gitops_prefix.decide.prefix import Prefix
from gitops_prefix.decide.routers import Routers, observe, solicited
from gitops_prefix.decide.selection import Selection, Standing, adopt, select
from gitops_prefix.decide.specification import Transition
from tests.decide.routers_saying import LOCAL, pio, saying, watching
from tests.decide.strategies import link_prefix

HOUR = 3600.0
END = 48 * HOUR
QUIET = 42 * HOUR
"""Nothing happens any more from here on: all must come to rest."""
LIFETIMES = ((1800, 3600), (14400, 86400), (604800, 2592000), (INFINITY, INFINITY), (3600, 7200))
LOCAL_TOO = 1_000_000
"""Houses from here on have a policy that admits local prefixes, too."""
UNSURE = frozenset({Standing.FAILED_STATIC, Standing.GONE})


@dataclass(eq=False)
class Box:
    """One speaker: a router, or a second program behind its address."""

    name: str
    router: Router
    longest: float
    lifetimes: tuple[int, int]
    lifetime: int
    preference: Preference = Preference.MEDIUM
    prefix: Prefix | None = None
    ula: str = ""
    snac: bool = False
    up: bool = True
    old: Prefix | None = None
    sent_at: float = -inf
    turn: int = 0
    asked: int = 0
    down_at: float = -inf
    cache: dict[object, tuple[RouterAdvertisement, ...]] = field(default_factory=dict)

    def says(self) -> tuple[RouterAdvertisement, ...]:
        """The advertisements of one round."""
        key = (self.prefix, self.old)
        if key not in self.cache:
            self.cache[key] = tuple(
                said._replace(snac_router=self.snac) for said in self._compose()
            )
        return self.cache[key]

    def _compose(self) -> list[RouterAdvertisement]:
        local = pio(LOCAL, 604800, 2592000)
        options = [pio(self.prefix, *self.lifetimes)] if self.prefix else []
        options += [pio(self.old, 0, 7200)] if self.old else []
        main = {"preference": self.preference, "lifetime": self.lifetime}
        if self.ula == "alone":
            return [saying(local, **main)]
        if self.ula == "same":
            return [saying(local, *options, **main)]
        apart = [saying(*options, **main), saying(local, lifetime=0)]
        if self.ula == "after":
            return apart
        return apart[::-1] if self.ula == "before" else apart[:1]


class House:
    """One house, and the daemon in it."""

    def __init__(self, seed: int) -> None:
        self.rng = rng = Random(seed)
        self.local_too = seed >= LOCAL_TOO
        self.now = 0.0
        self.loss = rng.choice([0, 0, 0.01, 0.03, 0.1])
        self.fresh = count(1)
        self.queue: list[tuple[float, int, Callable[[], None]]] = []
        self.order = count()
        self.owner: dict[Prefix, Box] = {}
        self.stood: dict[Prefix, float] = {}
        self.boxes: list[Box] = []
        self.primary = self._router("primary", 1, rng.choice(["", "same", "after", "before"]))
        self.plan_routers()
        prefer = (self.primary.router.address,) if rng.random() < 0.3 else ()
        self.specification = watching(
            Transition(max_changes_per_hour=3600),
            prefer_routers=prefer,
            require_global_unicast=not self.local_too,
        )
        self.routers: Routers = {}
        self.selection = Selection()
        self.look_again_at = inf
        self.standing = Standing.WAITING
        self.unsure = 0
        self.changes: list[tuple[float, Prefix, Prefix]] = []
        self.replaced: list[tuple[float, Box]] = []

    # The house.

    def plan_routers(self) -> None:
        rng = self.rng
        if rng.random() < 0.5:
            backup = self._router("backup", 2, rng.choice(["", "same"]))
            if rng.random() < 0.5:
                self.primary.preference = Preference.HIGH
            backup.preference = rng.choice([Preference.LOW, Preference.MEDIUM])
            for _ in range(rng.randrange(3)):
                self.at(rng.uniform(60, QUIET), lambda: self.flash(backup))
        if rng.random() < 0.3:
            thread = Box("thread", self._name(3), 200, LIFETIMES[2], 0, ula="alone", snac=True)
            self._start(thread)
        if rng.random() < 0.3:
            beside = Box("beside", self.primary.router, 180, LIFETIMES[2], 0, snac=True)
            self._start(beside)
        happenings = [self.flash, self.graceful, self.restart, self.reboot, self.overtaken]
        if self.local_too:
            happenings.append(self.lose_uplink)
        for _ in range(rng.randrange(9)):
            happening = rng.choice(happenings)
            self.at(rng.uniform(60, QUIET), lambda act=happening: act(self.primary))
        if rng.random() < 0.3:
            self.at(rng.uniform(HOUR, QUIET), self.replace)

    def _name(self, number: int) -> Router:
        return Router("eth0", f"fe80::{number:x}")

    def _router(self, name: str, number: int, ula: str) -> Box:
        rng = self.rng
        longest = rng.choices([4, 20, 60, 200, 600, 1800], [0.3, 2, 4, 6, 20, 6])[0]
        lifetimes = rng.choice(LIFETIMES)
        if longest <= 20 and rng.random() < 0.5:
            lifetimes = (45, 60)
        lifetimes = tuple(
            max(life, int(3 * longest)) if longest > 20 else life for life in lifetimes
        )
        box = Box(
            name,
            self._name(number),
            longest,
            lifetimes,
            int(min(9000, max(3 * longest, rng.choice([0, 1800])))),
            prefix=self._prefix(),
            ula=ula,
        )
        self.owner[box.prefix] = box
        self._start(box)
        return box

    def _prefix(self) -> Prefix:
        # Neither higher nor lower numbers may be luck.
        return link_prefix(self.rng.randrange(1 << 20) << 11 | next(self.fresh))

    def _start(self, box: Box) -> None:
        self.boxes.append(box)
        self.at(self.now + self.rng.uniform(0, 2), lambda: self.speak(box, box.turn))

    def at(self, moment: float, act: Callable[[], None]) -> None:
        heapq.heappush(self.queue, (moment, next(self.order), act))

    def speak(self, box: Box, turn: int) -> None:
        """A round of advertisements in its turn, and when the next one is."""
        if box.up and turn == box.turn:
            self.say(box)
            pause = self.rng.uniform(max(3.0, box.longest / 3), box.longest)
            self.at(self.now + pause, lambda: self.speak(box, turn))

    def say(self, box: Box) -> None:
        box.sent_at = self.now
        for said in box.says():
            self.deliver(box, said)

    def deliver(self, box: Box, said: RouterAdvertisement) -> None:
        carries = box.prefix in {option.prefix for option in said.prefixes}
        if self.rng.random() < self.loss:
            return
        if carries:
            box.asked = 0
            self.stood.setdefault(box.prefix, self.now)
        before = self.selection.current
        self.hear(box.router, said)
        if carries and before in self.owner:
            self.check_successor(box, before)

    def check_successor(self, box: Box, before: Prefix) -> None:
        """The router of the current prefix was heard: what it announces is current, no other's."""
        current = self.selection.current
        if box in {self.owner[before], self.owner[current]}:
            back = self.owner[current] is not box and self.returns(before, current)
            words = f"{box.name} announces {box.prefix}, after {before}"
            assert current == box.prefix or back, self.story(words)

    def renumber(self, box: Box, *, graceful: bool) -> None:
        box.old = box.prefix if graceful else None
        box.prefix = self._prefix()
        self.owner[box.prefix] = box

    def flash(self, box: Box) -> None:
        if box.up:
            self.renumber(box, graceful=False)
            self.say(box)

    def graceful(self, box: Box) -> None:
        if box.up:
            self.renumber(box, graceful=True)
            self.say(box)

    def overtaken(self, box: Box) -> None:
        """The new advertisement overtakes the old one."""
        if box.up:
            before = box.says()
            self.renumber(box, graceful=False)
            self.say(box)
            self.now += 0.01
            for said in before:
                if self.rng.random() >= self.loss:
                    self.hear(box.router, said)

    def lose_uplink(self, box: Box) -> None:
        """For minutes the router has no prefix of its ISP, and announces its local one, if any."""
        if not box.up or box.prefix is None:
            return
        box.old = box.prefix if self.rng.random() < 0.5 else None
        box.prefix = None
        self.say(box)

        def regain() -> None:
            self.renumber(box, graceful=False)
            if box.up:
                self.say(box)

        self.at(self.now + self.rng.uniform(60, 300), regain)

    def restart(self, box: Box) -> None:
        """The router daemon restarts: a farewell, and back within 3 s."""
        self.leave(box, farewell=True)
        self.at(self.now + self.rng.uniform(0.5, 3), lambda: self.back(box))

    def reboot(self, box: Box) -> None:
        """For minutes nobody speaks; perhaps with another prefix afterwards."""
        self.leave(box, farewell=self.rng.random() < 0.5)
        anew = self.rng.random() < 0.5
        self.at(self.now + self.rng.uniform(60, 300), lambda: self.back(box, anew=anew))

    def leave(self, box: Box, *, farewell: bool) -> None:
        if not box.up:
            return
        if farewell:
            with_prefixes = box.says() if self.rng.random() < 0.5 else (saying(),)
            for said in with_prefixes:
                if self.rng.random() >= self.loss:
                    self.hear(box.router, said._replace(router_lifetime=0))
        for speaker in self.boxes:
            if speaker.router == box.router:
                speaker.up, speaker.down_at = False, self.now
                speaker.turn += 1

    def back(self, box: Box, *, anew: bool = False) -> None:
        if box.up or any(gone is box for _, gone in self.replaced):
            return
        if anew:
            self.renumber(box, graceful=False)
        for speaker in self.boxes:
            if speaker.router == box.router:
                speaker.up = True
                turn = speaker.turn
                self.at(self.now, lambda who=speaker, its=turn: self.speak(who, its))
        # MAX_INITIAL_RTR_ADVERTISEMENTS (RFC 4861 10).
        for pause in (5, 10):
            self.at(self.now + pause, lambda: self.say(box) if box.up else None)

    def replace(self) -> None:
        """The CPE is unplugged; another one comes, with another address and prefix."""
        box = self.primary
        self.leave(box, farewell=False)
        self.replaced.append((self.now, box))

        def plug_in() -> None:
            self.primary = self._router("new", 4, box.ula)

        self.at(self.now + self.rng.uniform(60, 600), plug_in)

    # The daemon.

    def hear(self, router: Router, said: RouterAdvertisement) -> None:
        known = self.routers.get(router)
        news = known is None or not known.is_renewed_by(said, self.now)
        self.routers = observe(self.routers, router, said, self.now)
        if news:
            self.look()

    def look(self) -> None:
        decision = select(self.selection, self.specification, self.routers, self.now)
        assert decision.look_again_at > self.now
        if decision.standing in UNSURE and self.standing not in UNSURE:
            self.unsure += not self.excused(self.selection.current)
        self.standing = decision.standing
        before, after = self.selection.current, decision.current
        assert before not in self.owner or after in self.owner, self.story("a local prefix")
        if before in self.owner and after != before:
            self.changes.append((self.now, before, after))
            assert self.excused(before) or self.returns(before, after), self.story("no reason")
        self.selection = adopt(decision.selection, after)
        self.look_again_at = decision.look_again_at
        if decision.solicit:
            self.routers = solicited(self.routers, "eth0", self.now)
            self.ask()

    def ask(self) -> None:
        """A solicitation reaches the routers, or not; they answer by an advertisement to all."""
        for box in self.boxes:
            box.asked += 1
            if not box.up or self.rng.random() < self.loss:
                continue
            answer = max(self.now + self.rng.uniform(0, 0.5), box.sent_at + 3)

            def reply(who: Box = box) -> None:
                if who.up and self.now >= who.sent_at + 3:
                    self.say(who)

            self.at(answer, reply)

    # The truth.

    def excused(self, prefix: Prefix) -> bool:
        """Whether the prefix is not its router's any more, or two rounds stayed unanswered.

        A router that is there answers within `ANSWER`. So a round stays unanswered only if its
        solicitation or the answer was lost, or if the router was away for that moment. Nobody
        sees through two such rounds without a word about the prefix in between.
        """
        box = self.owner.get(prefix)
        return box is None or not box.up or box.prefix != prefix or box.asked >= ROUNDS

    def returns(self, before: Prefix, after: Prefix) -> bool:
        """Whether it leads back to a more preferred router, which is there for long enough."""

        def level(prefix: Prefix) -> int:
            box = self.owner[prefix]
            return self.specification.acquisition.level(box.router, box.preference)

        return level(after) < level(before) and self.now >= self.stood[after] + 600

    def live(self) -> None:
        """Walk through the 48 hours."""
        while self.queue and self.queue[0][0] < END:
            moment, _, act = heapq.heappop(self.queue)
            while self.look_again_at < moment:
                self.now = max(self.now, self.look_again_at)
                self.look()
                if self.queue and self.queue[0][0] < moment:
                    self.at(moment, act)
                    moment, _, act = heapq.heappop(self.queue)
            self.now = max(self.now, moment)
            act()
            self.check_replaced()
        assert self.unsure <= 4, self.story(f"{self.unsure} times unsure")
        current = self.selection.current
        assert current is not None
        assert self.owner[current].prefix == current, self.story("outdated at the end")
        assert self.owner[current].up, self.story("a dead router's at the end")
        self.check_preferred()

    def check_replaced(self) -> None:
        """Three intervals after the last word, and two rounds: nobody follows the old CPE."""
        for at, box in self.replaced:
            state = self.routers.get(box.router)
            new = self.primary is not box and self.primary.prefix in self.stood
            others = new or any(other.name == "backup" for other in self.boxes)
            if state is None or not others:
                continue
            heard = self.stood[self.primary.prefix] if new else at
            due = max(state.doubtful_at + (ROUNDS + 1) * ANSWER, heard)
            current = self.selection.current
            if self.now > due + 1 and current in self.owner:
                assert self.owner[current] is not box, self.story("the old CPE is followed")

    def check_preferred(self) -> None:
        if self.changes and self.now < self.changes[-1][0] + 600:
            # `returnAfter` is not over.
            return
        current = self.owner[self.selection.current]
        acquisition = self.specification.acquisition
        levels = {
            box.name: acquisition.level(box.router, box.preference)
            for box in self.boxes
            if box.up and box.prefix
        }
        assert levels[current.name] == min(levels.values()), self.story("not the preferred one")

    def story(self, words: str) -> str:
        """What happened, for whoever mends it."""
        boxes = "\n".join(
            f"  {box.name} {box.router} every {box.longest} {box.lifetimes} {box.preference!r} "
            f"{box.prefix} old {box.old} {box.ula} up={box.up} down {box.down_at} asked {box.asked}"
            for box in self.boxes
        )
        states = "\n".join(f"  {router} {state}" for router, state in self.routers.items())
        return (
            f"{words} at {self.now}, loss {self.loss}: current {self.selection.current} of "
            f"{self.owner.get(self.selection.current) and self.owner[self.selection.current].name} "
            f"{self.standing.name} {self.specification.acquisition.prefer_routers}\n"
            f"{boxes}\n{self.changes[-5:]}\n{states}"
        )


def live(seed: int) -> str:
    """Walk through one house; returns what is wrong with it, or nothing."""
    try:
        House(seed).live()
    except AssertionError as error:
        return f"house {seed}: {error}"
    return ""


def main(first: int, end: int, processes: int = 2) -> bool:
    """Walk through many houses, and print what is wrong; whether all were right."""
    wrong = 0
    with ProcessPoolExecutor(processes) as pool:
        for number, words in enumerate(pool.map(live, range(first, end), chunksize=4), 1):
            wrong += bool(words)
            if words:
                print(words[:3000], flush=True)
            if not number % 100:
                print(f"{number} houses, {wrong} wrong", flush=True)
    return not wrong


if __name__ == "__main__":
    sys.exit(not main(*map(int, sys.argv[1:])))
