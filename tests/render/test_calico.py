"""Calico's pools: one CIDR, and a disabled copy behind it for each past prefix."""

import pytest

from gitops_prefix.render.binding import FieldEdit, SiblingEdit
from gitops_prefix.render.proof import prove_edits, sibling_edits
from gitops_prefix.render.reading import read_inventory
from gitops_prefix.render.settings import Settings
from tests.render.calico import POOL
from tests.render.repository import PREFIX, A, B, C, problems_of, render_all, render_once

SIBLING = """\
---
apiVersion: projectcalico.org/v3
kind: IPPool
metadata:
  name: pods-2001-db8-a-0-f000-68
  annotations:
    dynamic-prefix.io/parent-pool: pods
spec:
  cidr: "2001:db8:a:0:f000::/68"
  disabled: true
"""
FOREIGN = "---\n# mine\na: {b: [1, 2]}\n"
POOL_B = POOL.replace("db8:a", "db8:b")


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (POOL, POOL_B + SIBLING),
        (POOL.replace("2001:db8:a:0:f000::", "2001:DB8:A:0:F000:0:0:0"), POOL_B + SIBLING),
        ("---\n" + POOL, "---\n" + POOL_B + SIBLING),
        (FOREIGN + "---\n" + POOL, FOREIGN + "---\n" + POOL_B + SIBLING),
        (POOL + FOREIGN, POOL_B + SIBLING + FOREIGN),
        (POOL + "# end\n" + FOREIGN, POOL_B + "# end\n" + SIBLING + FOREIGN),
        (POOL[:-1], POOL_B + SIBLING[:-1]),
    ],
    ids=[
        "alone", "in capitals", "behind ---", "behind another", "before another", "with a comment",
        "no final newline",
    ],
)  # fmt: skip
def test_the_past_prefix_gets_a_pool_of_its_own(before: str, after: str):
    """Right behind its parent, and nothing else moves."""
    assert render_all(before, A, B) == after


@pytest.mark.parametrize(
    ("old", "new"), [("pods-2", "renamed-2"), ("spec", "  labels: {x: y}\nspec")]
)
def test_a_pool_that_is_there_already_stays_as_it_is(old: str, new: str):
    """Known by its parent and its CIDR; whatever else its author made of it."""
    edited = (POOL_B + SIBLING.replace(old, new)).encode()
    files = {"home.yaml": PREFIX, "manifest.yaml": POOL.encode()}
    for hour, prefix in enumerate((A, B)):
        files |= render_once(files, prefix, hour).files
    assert render_once(files | {"manifest.yaml": edited}, B, 2).files == {}


def test_pools_come_and_go_with_the_history():
    """Newest first; the one that leaves the history goes, and another document stays."""
    third = render_all(POOL + FOREIGN, A, B, C)
    assert [line for line in third.splitlines() if "name: pods-" in line] == [
        "  name: pods-2001-db8-b-0-f000-68",
        "  name: pods-2001-db8-a-0-f000-68",
    ]
    assert third.endswith(FOREIGN)
    assert render_all(POOL + FOREIGN, A, B, C, A).count("pods-2001-db8-a-0") == 0


def test_two_pools_in_one_file_keep_theirs_apart():
    """Each right behind its own parent."""
    other = POOL.replace("name: pods", "name: other").replace("address-range: lb", "subnet: low")
    names = [
        line.split()[1]
        for line in render_all(POOL + "---\n" + other, A, B).splitlines()
        if line.startswith("  name:")
    ]
    assert names == ["pods", "pods-2001-db8-a-0-f000-68", "other", "other-2001-db8-a-0-100-72"]


def test_a_long_name_stays_a_name():
    """253 characters at most, and the prefix is in it whole."""
    text = render_all(POOL.replace("name: pods", f"name: {'p' * 250}"), A, B)
    (name,) = (
        line[8:] for line in text.splitlines() if line.startswith("  name: p") and "-" in line
    )
    assert len(name) == 253
    assert name.endswith("p-2001-db8-a-0-f000-68")


@pytest.mark.parametrize(
    ("manifest", "said"),
    [
        (POOL.replace("-range: lb", "-range: odd"), "manifest.yaml:7:38 not-one-cidr"),
        (POOL.replace("2001:db8:a:0:f000::/68", "10.0.0.0/16"), "manifest.yaml:9:9 edit-refused"),
        (POOL + "---\n" + POOL, "manifest.yaml:16:29 duplicate-pool"),
        (POOL.replace("name: home", "name: hoem"), "manifest.yaml:6:29 unknown-dynamic-prefix"),
        (SIBLING, "manifest.yaml:7:36 sibling-alone"),
        (POOL.replace("  cidr", "  <<: {cidr: a}\n  #"), "manifest.yaml:9:3 edit-refused"),
        (POOL.replace('"2001:db8:a:0:f000::/68"', "[a]"), "manifest.yaml:9:9 edit-refused"),
        (POOL + SIBLING.replace("db8:a", "db8:f") + "# mine\n", "manifest.yaml:11:1 sibling-stays"),
        (POOL + SIBLING.replace("---", "--- # x").replace("db8:a", "db8:f"), "sibling-stays"),
    ],
)
def test_what_is_odd_is_told_at_its_place(manifest: str, said: str):
    """Refused, or left alone with a word."""
    assert said in " ".join(problems_of(manifest))


@pytest.mark.parametrize("folder", ["", "network/"])
def test_a_pool_with_the_name_elsewhere_is_not_made_again(folder: str):
    """Two objects of one name are an error to kustomize: that one counts, and is told."""
    files = {
        "home.yaml": PREFIX,
        f"{folder}manifest.yaml": POOL.encode(),
        f"{folder}old.yaml": SIBLING.encode(),
    }
    for hour, prefix in enumerate((A, B)):
        rendering = render_once(files, prefix, hour)
        files |= rendering.files
    assert files[f"{folder}manifest.yaml"].decode() == POOL_B
    assert files[f"{folder}old.yaml"].decode() == SIBLING
    assert [f"{one.place} {one.code}" for one in rendering.problems] == [
        f"{folder}old.yaml:7:36 sibling-alone"
    ]


def test_the_same_pool_of_another_cluster_is_another_pool():
    """Clusters of one repository have directories of their own, and the same names in them."""
    files = {"home.yaml": PREFIX, "b/pools.yaml": POOL.encode()}
    files |= render_once(files, A).files
    files |= render_once(files, B, 1).files
    files["a/pools.yaml"] = POOL.encode()
    files |= render_once(files, B, 2).files
    assert files["a/pools.yaml"] == files["b/pools.yaml"] == (POOL_B + SIBLING).encode()


ANCHORED = POOL.replace("annotations:", "annotations: &x")


def test_an_anchor_is_copied_into_a_document_of_its_own():
    """Anchors end with their document (YAML 1.2, 3.2.2.2), so a copy may have them again."""
    assert render_all(ANCHORED, A, B).count("&x") == 2


def test_annotations_in_braces_are_copied():
    """The name becomes the parent's; the range is left out, before it or behind it."""
    for order in ((NAME, RANGE), (RANGE, NAME)):
        inside = ", ".join(line.strip() for line in order)
        braces = POOL.replace(f"annotations:\n{NAME}{RANGE}", f"annotations: {{{inside}}}\n")
        assert "  annotations: {dynamic-prefix.io/parent-pool: pods}\n" in render_all(braces, A, B)


NAME, RANGE = "    dynamic-prefix.io/name: home\n", "    dynamic-prefix.io/address-range: lb\n"
ELSEWHERE = {
    "a name": POOL.replace(NAME, "    <<: {dynamic-prefix.io/name: home}\n"),
    "a range": POOL.replace(RANGE, "    <<: {dynamic-prefix.io/address-range: lb}\n"),
    "all annotations": POOL.replace(
        f"metadata:\n  name: pods\n  annotations:\n{NAME}{RANGE}",
        "x: &x {dynamic-prefix.io/name: home, dynamic-prefix.io/address-range: lb}\n"
        "metadata:\n  name: pods\n  annotations: *x\n",
    ),
}


@pytest.mark.parametrize("merged", ELSEWHERE.values(), ids=ELSEWHERE)
def test_what_cannot_be_copied_is_refused(merged: str):
    """A copy needs its annotations at their own place."""
    files = {"home.yaml": PREFIX, "manifest.yaml": merged.encode()}
    files |= render_once(files, A).files
    (problem,) = render_once(files, B, 1).problems
    assert (problem.code, problem.place.line) == ("edit-refused", 1)


RIGHT = SiblingEdit((FOREIGN,), ({"a": {"b": [1, 2]}},))


@pytest.mark.parametrize(
    ("sibling", "longer", "codes"),
    [
        (RIGHT, 0, []),
        (RIGHT, 5, ["edit-refused"]),
        (RIGHT._replace(contents=({"a": {"b": [1]}},)), 0, ["edit-refused"]),
        (RIGHT._replace(added=(FOREIGN + FOREIGN,)), 0, ["edit-refused"]),
    ],
    ids=["right", "a character of the next document", "another value", "one document too many"],
)
def test_the_proof_finds_a_change_of_another_document(
    sibling: SiblingEdit, longer: int, codes: list[str]
):
    """A right edit is proved; one wrong byte, or one wrong value, is refused."""
    files = {"home.yaml": PREFIX, "manifest.yaml": (POOL + FOREIGN).encode()}
    binding = read_inventory(files, Settings()).bindings[1]
    (edit,) = sibling_edits(binding.manifest, sibling)
    edit = edit._replace(end=edit.end + longer)
    proved = prove_edits([FieldEdit(binding, (edit,), [], [], siblings=sibling)])
    assert [problem.code for problem in proved] == codes
