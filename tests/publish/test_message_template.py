"""Templates of messages: what they see, what they cannot do, and where an error is."""

import pytest

from gitops_prefix.decide.advertisement import Router
from gitops_prefix.plan.occasion import Occasion, StatusChange
from gitops_prefix.publish.message import (
    MOST_CHARACTERS,
    MessageTemplate,
    TemplateError,
    Trailer,
    Wording,
)
from tests.publish.occasions import HOSTILE, OCCASION, A, Change, status, trailers


def written(text: str, occasion: Occasion = OCCASION) -> str:
    return MessageTemplate(text, "t.j2").write(occasion)


SEEN = {
    "{{ subject }}": "prefix(home-ipv6): 2001:db8:1::/64 -> 2001:db8:2::/64",
    "{{ body }}": "apps/svc.yaml: Service web/nginx: metadata.annotations\n\nEdited by hand, and rendered again:\nnetwork/pool.yaml: CiliumLoadBalancerIPPool home: spec.blocks",
    "{{ files | join(' ') }}": "apps/svc.yaml network/pool.yaml",
    "{% for p in prefixes %}{{ p.name }} {{ p.previous }} {{ p.current }} {{ p.source }}{% endfor %}": "home-ipv6 2001:db8:1::/64 2001:db8:2::/64 router-advertisement",
    "{{ prefixes[0].router }} {{ prefixes[0].interface }}": "fe80::1 eth0",
    "{{ prefixes[0].history | join(', ') }} {{ prefixes[0].moved }}": "2001:db8:1::/64 True",
    "{% for c in changes %}\n{{ c.kind }}/{{ c.name }} {{ c.by_hand }} {{ c.first }}\n{% endfor %}": "CiliumLoadBalancerIPPool/home True False\nService/nginx False False\n",
    "{{ changes[1].line }}": "apps/svc.yaml: Service web/nginx: metadata.annotations",
    "{{ changes[1].namespace }} {{ changes[1].field }} {{ changes[1].path }}": "web metadata.annotations apps/svc.yaml",
    "{{ 6 * 7 }} {{ 'ab' * 2 }} {{ '%s' % 1 }}": "42 abab 1",
}  # fmt: skip


@pytest.mark.parametrize(("text", "message"), SEEN.items(), ids=SEEN)
def test_what_a_template_sees(text, message):
    assert written(text) == message


def test_a_first_prefix_has_no_previous_and_may_have_no_router():
    occasion = Occasion([StatusChange("home", None, status(A))], [])
    assert written("<{{ prefixes[0].previous }}{{ prefixes[0].router }}>", occasion) == "<>"


FAILING = {
    "{{ subject }}\n{{ nobody }}": ("t.j2:2:4", "'nobody' is undefined"),
    "x {{ prefixes[0].previuos }}": ("t.j2:1:18", "no attribute 'previuos'"),
    "{{ prefixes[9].name }}": ("t.j2:1:1", "no element 9"),
    "a\nb {{ 1 / 0 }}": ("t.j2:2:3", "division by zero"),
    "{% include 'x' %}": ("t.j2:1:1", "no loader"),
    "{{ ''.__class__.__mro__ }}": ("t.j2:1:7", "unsafe"),
    "{{ subject.__init__.__globals__ }}": ("t.j2:1:12", "unsafe"),
    "{{ prefixes.append(1) }}": ("t.j2:1:13", "unsafe"),
    "{{ 'x' * 99999999 }}": ("t.j2:1:1", "of that size"),
    "{{ 9 ** 99999999 }}": ("t.j2:1:1", "of that size"),
    "{{ '%99999999d' % 99999999 }}": ("t.j2:1:1", "of that size"),
    "{% for i in range(99999999) %}x{% endfor %}": ("t.j2:1:1", "range"),
    "{% for i in range(9999) %}{% for i in range(9999) %}xxx{% endfor %}{% endfor %}": ("t.j2:1:1", "longer than"),
    "{{ [1, 2] | random }}": ("t.j2:1:13", "No filter named 'random'"),
    "{{ lipsum() }}": ("t.j2:1:4", "'lipsum' is undefined"),
    "  \n": ("t.j2:1:1", "empty"),
}  # fmt: skip


@pytest.mark.parametrize(("text", "place", "words"), [(a, *b) for a, b in FAILING.items()])
def test_a_template_that_fails_says_where(text, place, words):
    """Nothing of Python's is reached, and it ends."""
    with pytest.raises(TemplateError) as error:
        written(text)
    assert str(error.value.problem.place) == place
    assert words in error.value.problem.message


UNREADABLE = {
    "{{ subject": "t.j2:1:1",
    "a\n{% for p in prefixes %}\n": "t.j2:2:4",
    "{{ subject }}\n{% nobody %}": "t.j2:2:4",
    "{{ subject | nobody }}": "t.j2:1:14",
}


@pytest.mark.parametrize(("text", "place"), UNREADABLE.items(), ids=UNREADABLE)
def test_a_template_that_is_none_is_known_before_it_is_used(text, place):
    with pytest.raises(TemplateError) as error:
        MessageTemplate(text, "t.j2")
    assert error.value.problem.code == "template-syntax"
    assert str(error.value.problem.place) == place


def test_a_message_has_an_end():
    text = "{% for i in range(9999) %}" + "x" * 100 + "{% endfor %}"
    with pytest.raises(TemplateError, match=f"longer than {MOST_CHARACTERS}"):
        written(text)


def wording(text: str, **options) -> Wording:
    return Wording(MessageTemplate(text, "t.j2"), **options)


def test_trailers_are_always_there():
    """Also behind a template that knows nothing of them."""
    message = wording("hello", trailers=(Trailer("Key", "x"),)).write(OCCASION)
    assert message.problem is None
    assert message.text == (
        "hello\n\nDynamic-Prefix: home-ipv6\nPrevious-Prefix: 2001:db8:1::/64\n"
        "Current-Prefix: 2001:db8:2::/64\nPrefix-Source: router-advertisement\nKey: x\n"
    )


def test_a_template_that_fails_falls_back_and_says_so():
    failing = wording("{{ nobody }}", skip_ci=True, trailers=(Trailer("Key", "x"),))
    message = failing.write(OCCASION)
    assert message.text == Wording(None, failing.trailers, skip_ci=True).write(OCCASION).text
    assert message.problem is not None
    assert (message.problem.severity, message.problem.code) == ("warning", "template-failed")


SKIPPED = {
    "one line": ("hello", "hello [skip ci]"),
    "more lines": ("hello\n\nworld", "hello [skip ci]"),
    "blank lines first": ("\n\nhello", "hello [skip ci]"),
    "said already": ("hello\n\n[skip ci]", "hello"),
}


@pytest.mark.parametrize(("text", "subject"), SKIPPED.values(), ids=SKIPPED)
def test_skip_ci_stands_in_the_subject_unless_it_is_said_already(text, subject):
    message = wording(text, skip_ci=True).write(OCCASION).text
    assert message.splitlines()[0] == subject
    assert message.count("[skip ci]") == 1
    assert "[skip ci]" not in wording("hello").write(OCCASION).text


def test_names_in_the_repository_make_no_trailer_in_a_template():
    """However it places them."""
    wild = Occasion(
        [StatusChange(HOSTILE, None, status(A), Router(HOSTILE, HOSTILE))],
        [Change("Signed-off-by: x", HOSTILE, HOSTILE, HOSTILE, HOSTILE)],
    )
    text = (
        "{{ prefixes[0].name }}\n\n{{ prefixes[0].router }}\n{{ prefixes[0].interface }}\n\n"
        "{% for c in changes %}\n{{ c.path }}\n{{ c.kind }}\n{{ c.line }}\n{% endfor %}"
    )
    message = wording(text).write(wild).text
    assert [line.partition(":")[0] for line in trailers(message)] == [
        "Dynamic-Prefix",
        "Current-Prefix",
        "Prefix-Source",
    ]


def test_the_same_occasion_makes_the_same_message():
    text = "{{ changes | map(attribute='line') | sort | join('\\n') }}"
    assert wording(text).write(OCCASION) == wording(text).write(OCCASION)
