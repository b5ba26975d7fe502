"""docs/direct-apply.md: its tables are what is tried, and its manifest is the example's."""

from ruamel.yaml import YAML

from tests.apply.reconciler_rows import ARGOCD_ROWS, FLUX_ROWS, POINTER, TRUST
from tests.gitrepo import ROOT

PAGE = (ROOT / "docs" / "direct-apply.md").read_text()
IGNORED = {"nothing": [], "our manager": TRUST, "the field, by `jsonPointers`": POINTER}


def table(heading: str) -> list[list[str]]:
    """The rows of the only table below a heading."""
    section = PAGE.split(f"\n## {heading}\n")[1].partition("\n## ")[0]
    lines = [line.strip("| ").split(" | ") for line in section.splitlines() if line[:1] == "|"]
    return lines[2:]


def yes(*answers: bool) -> list[str]:
    return ["yes" if one else "no" for one in answers]


def test_flux_does_what_the_page_says():
    written = {row[0].strip("`"): row[1:] for row in table("Flux")}
    assert written == {name: yes(*row[2:]) for name, row in FLUX_ROWS.items()}


def test_argocd_does_what_the_page_says():
    written = [
        (IGNORED[row[0]], [] if row[1] == "none" else row[1].replace("`", "").split(", "), row[2:])
        for row in table("Argo CD")
    ]
    tried = [
        (ignored, [one.removesuffix("=true") for one in options], yes(*answers))
        for ignored, options, *answers in ARGOCD_ROWS.values()
    ]
    assert written == tried


def test_the_application_of_the_page_is_the_examples():
    shown = YAML(typ="safe").load(PAGE.split("```yaml\n")[1].partition("```")[0])
    path = ROOT / "examples" / "argocd" / "argocd" / "network.yaml"
    example = YAML(typ="safe").load(path)
    assert shown["spec"]["ignoreDifferences"] == example["spec"]["ignoreDifferences"]
    options = shown["spec"]["syncPolicy"]["syncOptions"]
    assert options == example["spec"]["syncPolicy"]["syncOptions"]
