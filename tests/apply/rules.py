"""The rules of a component of examples/kustomize, as the tests give them to an account."""

from collections.abc import Iterator, Mapping

from ruamel.yaml import YAML

from tests.gitrepo import ROOT


def documents(component: str) -> list[dict]:
    """What a component's rbac.yaml holds."""
    path = ROOT / "examples" / "kustomize" / "components" / component / "rbac.yaml"
    return [*YAML(typ="safe", pure=True).load_all(path.read_text())]


def rules(component: str) -> list[dict]:
    """The rules of its roles."""
    return [rule for one in documents(component) for rule in one.get("rules", ())]


def without_one(given: list[Mapping]) -> Iterator[tuple[str, list[dict]]]:
    """The rules without one verb of one of them, each by what it lacks."""
    for number, rule in enumerate(given):
        for verb in rule["verbs"]:
            rest = {**rule, "verbs": [one for one in rule["verbs"] if one != verb]}
            others = [*given[:number], *([rest] if rest["verbs"] else []), *given[number + 1 :]]
            yield f"{verb} {rule['resources'][0]}", others
