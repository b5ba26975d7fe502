"""external-dns publishes what we render: A and AAAA records after every step.

The true program writes into a true name server, and its records are read by a transfer and from
the server's journal. The same scenarios run against the stand-in. Addresses come from the stand-in
of LB-IPAM, which is proved by itself.
"""

from tests.neighbours.dns import NEW, OLD, Record, dns_stand_in, true_dns
from tests.neighbours.load_balancers import LbIpam
from tests.neighbours.place import ALONE, BLOCKS, HA, Place, both, following
from tests.parts import require
from tests.render.repository import PREFIX, A, B, C

NEIGHBOURS = both(true_dns, dns_stand_in)


def manifest(space: str, name: str, number: int, *extra: str, dual: bool = True) -> str:
    """An annotated Service; every `extra` is one more annotation."""
    suffix = f'dynamic-prefix.io/suffix: "::f000:0:0:{number}"'
    if not dual:
        return following(space, name, suffix, *extra, families=ALONE)
    return following(space, name, suffix, *extra, f'lbipam.cilium.io/ips: "192.168.42.{number}"')


def place(neighbourhood, space: str, header: str = HA, **texts: str) -> Place:
    files = {f"{name}.yaml": text for name, text in texts.items()}
    return Place(neighbourhood, space, {"home.yaml": header, "pool.yaml": BLOCKS, **files})


def needs(started) -> None:
    require(*(("external-dns", "bind") if started is true_dns else ("cluster",)))


def step(home: Place, dns, prefix) -> None:
    """A renumbering, applied; the load balancer acts, then external-dns."""
    home.renumber(prefix)
    home.apply()
    LbIpam(home).turn()
    dns.turn()


def record(name: str, value: str) -> Record:
    return Record(f"{name}.example.org", "AAAA" if ":" in value else "A", value)


def complete(states, name: str) -> bool:
    """Once a name has a record of a kind, it has one in every later state."""
    kinds: set[str] = set()
    for state in states:
        now = {each.kind for each in state if each.name == f"{name}.example.org"}
        if not kinds <= now:
            return False
        kinds |= now
    return True


@NEIGHBOURS
def test_records_have_the_current_address_and_the_ipv4_after_every_step(
    neighbourhood, space, tmp_path, started
):
    """A, B, A, C in mode ha, whatever prefix the annotations of the Service have.

    No record is missing for a moment, and none of a past prefix stays.
    """
    needs(started)
    home = place(
        neighbourhood,
        space,
        dual=manifest(space, "dual", 10, f"{NEW}hostname: dual.example.org"),
        old=manifest(space, "old", 11, f"{OLD}hostname: old.example.org"),
        six=manifest(space, "six", 12, f"{NEW}hostname: six.example.org", dual=False),
    )
    with started(home, tmp_path / "dns", legacy=True) as dns:
        for prefix in (A, B, A, C):
            step(home, dns, prefix)
            base = str(prefix).removesuffix("::/64")
            assert dns.records() == {
                record("dual", "192.168.42.10"),
                record("dual", f"{base}:0:f000::10"),
                record("old", "192.168.42.11"),
                record("old", f"{base}:0:f000::11"),
                record("six", f"{base}:0:f000::12"),
            }
        states = dns.states()
    assert len(states) >= 4
    assert all(complete(states, name) for name in ("dual", "old", "six"))


@NEIGHBOURS
def test_records_move_after_dns_delay_and_the_service_holds_both_meanwhile(
    neighbourhood, space, tmp_path, started
):
    """A step is an hour: with a delay of 90 minutes DNS moves in the second one after the change.

    What DNS has is held after every step, none is missing for a moment, and none of a past prefix
    stays; on the way back, too.
    """
    needs(started)
    home = place(
        neighbourhood,
        space,
        PREFIX.decode() + "  transition: {mode: ha, dnsDelay: 90m}\n",
        late=manifest(space, "late", 10, f"{NEW}hostname: late.example.org"),
        six=manifest(space, "six", 12, f"{NEW}hostname: six.example.org", dual=False),
    )
    with started(home, tmp_path / "dns") as dns:
        for prefix, in_dns in ((A, A), (B, A), (B, A), (B, B), (A, B), (A, B), (A, A)):
            step(home, dns, prefix)
            base = str(in_dns).removesuffix("::/64")
            late, six = f"{base}:0:f000::10", f"{base}:0:f000::12"
            assert dns.records() == {
                record("late", "192.168.42.10"), record("late", late), record("six", six)
            }, (str(prefix), str(in_dns))  # fmt: skip
            held = home.held()
            assert late in held["late"] and six in held["six"]
        states = dns.states()
    assert all(complete(states, name) for name in ("late", "six"))


@NEIGHBOURS
def test_without_a_target_of_ours_records_have_past_addresses_too(
    neighbourhood, space, tmp_path, started
):
    """external-dns publishes all that the Service has. So mode ha writes a target."""
    needs(started)
    skip = 'dynamic-prefix.io/skip-external-dns-update: "true"'
    text = manifest(space, "all", 10, f"{NEW}hostname: all.example.org", skip)
    home = place(neighbourhood, space, all=text)
    with started(home, tmp_path / "dns") as dns:
        step(home, dns, A)
        step(home, dns, B)
        assert dns.records() == {
            record("all", "192.168.42.10"),
            record("all", "2001:db8:a:0:f000::10"),
            record("all", "2001:db8:b:0:f000::10"),
        }


@NEIGHBOURS
def test_a_target_of_a_hostname_stays_a_cname(neighbourhood, space, tmp_path, started):
    needs(started)
    words = (f"{NEW}hostname: cname.example.org", f"{NEW}target: lb.example.net")
    home = place(neighbourhood, space, cname=manifest(space, "cname", 10, *words))
    with started(home, tmp_path / "dns") as dns:
        for prefix in (A, B):
            step(home, dns, prefix)
            assert dns.records() == {Record("cname.example.org", "CNAME", "lb.example.net")}


@NEIGHBOURS
def test_a_hostname_beside_addresses_is_dropped(neighbourhood, space, tmp_path, started):
    """For a round the name has no record at all; `validate` warns of it."""
    needs(started)
    text = manifest(space, "mixed", 10, f"{NEW}hostname: mixed.example.org", f"{NEW}target: TARGET")
    home = place(neighbourhood, space, mixed=text.replace("TARGET", "lb.example.net"))
    with started(home, tmp_path / "dns") as dns:
        step(home, dns, A)
        mixed = text.replace("TARGET", '"2001:db8:a:0:f000::10,lb.example.net"')
        home.files["mixed.yaml"] = mixed.encode()
        step(home, dns, B)
        assert home.warnings
        assert dns.records() == frozenset()
        dns.turn()
        assert dns.records() == {record("mixed", "2001:db8:b:0:f000::10")}


@NEIGHBOURS
def test_mode_simple_keeps_past_addresses_in_dns_until_they_are_pruned(
    neighbourhood, space, tmp_path, started
):
    """The Service keeps what it has, so DNS does; with the pruning both move."""
    needs(started)
    header = PREFIX.decode() + "  transition: {maxPrefixHistory: 1}\n"
    home = place(neighbourhood, space, header)
    with started(home, tmp_path / "dns") as dns:
        home.renumber(A)
        home.apply()
        text = manifest(space, "plain", 10, f"{NEW}hostname: plain.example.org", dual=False)
        lines = [line for line in text.splitlines() if "dynamic-prefix.io" not in line]
        home.cluster.apply("\n".join(lines))
        for prefix, held in ((A, A), (B, A), (C, C)):
            step(home, dns, prefix)
            (found,) = dns.records()
            assert found.value.startswith(str(held).removesuffix("::/64"))
