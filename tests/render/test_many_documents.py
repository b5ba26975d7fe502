"""Ten thousand documents in one file, a few of them managed, are one file among others."""

from gitops_prefix.render.source import Source
from tests.render.repository import PREFIX, A, render_once

MANY = 10_000
OTHER = "---\nkind: ConfigMap # {}\ndata: {{a: b}}\n"
GROUP = """\
---
apiVersion: cilium.io/v2
kind: CiliumCIDRGroup
metadata:
  name: g-{}
  annotations:
    dynamic-prefix.io/name: home
    dynamic-prefix.io/address-range: {range}
spec:
  externalCIDRs:
{ours}    - 10.0.0.0/8
"""
OURS = '    - "2001:db8:a:0:f000::/68"\n'
MANAGED = {0, 1, 4711, MANY - 1}


def bundle(ours: str = "", last: str = "lb") -> str:
    return "".join(
        GROUP.format(number, ours=ours, range=last if number == MANY - 1 else "lb")
        if number in MANAGED
        else OTHER.format(number)
        for number in range(MANY)
    )


def test_only_the_managed_of_ten_thousand_documents_change():
    rendering = render_once({"home.yaml": PREFIX, "bundle.yaml": bundle().encode()}, A)
    assert rendering.files["bundle.yaml"].decode() == bundle(OURS)
    changed = [one.document for one in rendering.changes if one.path == "bundle.yaml"]
    assert changed == sorted(MANAGED)


def test_a_problem_in_the_last_of_ten_thousand_has_its_line():
    text = bundle(last="wan")
    (problem,) = render_once({"home.yaml": PREFIX, "bundle.yaml": text.encode()}, A).problems
    line = text.splitlines().index("    dynamic-prefix.io/address-range: wan") + 1
    assert str(problem.place) == f"bundle.yaml:{line}:38"


def test_the_lines_of_a_file_are_counted_once():
    """So that a thousand places in one file cost no thousand walks through it."""
    walks = 0

    class Counted(str):
        """A text that counts who walks through it."""

        __slots__ = ()

        def __getattribute__(self, name):
            nonlocal walks
            walks += name in {"count", "rfind", "find", "splitlines", "split"}
            return super().__getattribute__(name)

    source = Source("a.yaml", Counted("a\n" * 1000))
    places = [source.place(offset) for offset in range(2000)]
    assert walks < 10, "a few places are counted out"
    assert [(one.line, one.column) for one in places[:4]] == [(1, 1), (1, 2), (2, 1), (2, 2)]
