"""`apply`: a directory's managed fields in a cluster, a diff of them, and the exit codes."""

import json
from pathlib import Path

import pytest

from gitops_prefix.apply.kube import Connection, NotConnectedError
from gitops_prefix.cli.door import enter
from gitops_prefix.errors import OutsideError
from tests.apply.live import RECONCILER, RESOURCES, look, sync
from tests.apply.manifests import GROUP, POOL, SERVICE, A, B, rendered


def write(directory: Path, files: dict[str, str], namespace: str, *prefixes: str) -> Path:
    for path, content in rendered(files, namespace, *prefixes).items():
        (directory / path).write_bytes(content)
    return directory


@pytest.fixture
def run(cluster, tmp_path, capsys):
    def call(*words: str) -> tuple[int, str, str]:
        code = enter(
            ["apply", str(tmp_path), "--kubeconfig", str(cluster.kubeconfig("admin")), *words]
        )
        said = capsys.readouterr()
        return code, said.out, said.err

    return call


def pool(cluster, namespace: str) -> dict:
    return look(cluster, namespace, "pool.yaml", "lan")


def test_a_dry_run_shows_a_diff_and_writes_nothing(cluster, namespace, tmp_path, run):
    sync(cluster, namespace, {"pool.yaml": POOL}, A)
    before = pool(cluster, namespace)
    write(tmp_path, {"pool.yaml": POOL}, namespace, A, B)
    code, out, _ = run("--dry-run", "--force")
    assert code == 0
    assert out.splitlines()[:3] == [
        "CiliumLoadBalancerIPPool lan: would-change",
        "@@ spec.blocks @@",
        '+{"start": "2001:db8:b:0:f000::", "stop": "2001:db8:b:0:ffff:ffff:ffff:ffff"}',
    ]
    assert ' {"cidr": "192.168.42.0/24"}' in out
    assert pool(cluster, namespace) == before


def test_without_force_what_a_reconciler_owns_is_left_alone(cluster, namespace, tmp_path, run):
    sync(cluster, namespace, {"pool.yaml": POOL}, A)
    before = pool(cluster, namespace)
    write(tmp_path, {"pool.yaml": POOL}, namespace, A, B)
    code, _, err = run()
    assert code == 3
    assert RECONCILER in err and "not-applied" in err
    assert pool(cluster, namespace) == before


def test_force_writes_and_release_gives_back(cluster, namespace, tmp_path, run):
    sync(cluster, namespace, {"pool.yaml": POOL}, A)
    write(tmp_path, {"pool.yaml": POOL}, namespace, A, B)
    assert run("--force")[0] == 0
    assert pool(cluster, namespace)["spec"]["blocks"][0]["start"] == "2001:db8:b:0:f000::"
    assert "gitops-prefix" in cluster.managers(RESOURCES["pool.yaml"], "lan")
    code, out, _ = run("--release")
    assert (code, out) == (0, "CiliumLoadBalancerIPPool lan: released\n")
    assert "gitops-prefix" not in cluster.managers(RESOURCES["pool.yaml"], "lan")
    assert pool(cluster, namespace)["spec"]["blocks"][0]["start"] == "2001:db8:b:0:f000::"


def test_the_answer_as_json(cluster, namespace, tmp_path, run):
    sync(cluster, namespace, {"pool.yaml": POOL, "service.yaml": SERVICE}, A)
    write(tmp_path, {"pool.yaml": POOL, "service.yaml": SERVICE}, namespace, A, B)
    code, out, _ = run("--force", "--output", "json")
    answer = json.loads(out)
    assert (code, answer["dry_run"]) == (0, False)
    first, second = answer["objects"]
    assert (first["path"], first["kind"], first["name"], first["standing"]) == (
        "pool.yaml",
        "CiliumLoadBalancerIPPool",
        "lan",
        "applied",
    )
    assert [one["field"] for one in second["changes"]] == [
        "metadata.annotations.lbipam.cilium.io/ips",
        "metadata.annotations.external-dns.alpha.kubernetes.io/target",
    ]
    assert second["namespace"] == namespace


def test_files_that_are_not_rendered_are_applied_as_they_would_be_and_told(
    cluster, namespace, tmp_path, run
):
    sync(cluster, namespace, {"pool.yaml": POOL}, A)
    write(tmp_path, {"pool.yaml": POOL}, namespace, A, B)
    (tmp_path / "pool.yaml").write_text(POOL)
    code, _, err = run("--force")
    assert code == 0 and "would-change" in err
    assert len(pool(cluster, namespace)["spec"]["blocks"]) == 3


def test_what_is_not_in_the_cluster_is_a_warning(cluster, namespace, tmp_path, run):
    write(tmp_path, {"pool.yaml": POOL}, namespace, A)
    code, out, err = run()
    assert (code, out) == (0, "") and "is not in the cluster" in err


@pytest.mark.parametrize("words", [["--release", "--dry-run"], ["--release", "--force"]])
def test_options_that_do_not_go_together(tmp_path, words, capsys):
    assert enter(["apply", str(tmp_path), *words]) == 2
    said = capsys.readouterr().err
    assert all(option in said for option in words)
    assert "[invalid-apply]" in said


def test_a_kubeconfig_that_is_not_there_is_bad_input(tmp_path, capsys):
    write(tmp_path, {"pool.yaml": POOL}, "default", A)
    assert enter(["apply", str(tmp_path), "--kubeconfig", str(tmp_path / "none")]) == 2
    said = capsys.readouterr().err
    assert str(tmp_path / "none") in said
    assert "Traceback" not in said


def test_an_api_server_that_does_not_answer_is_the_outsides_fault(cluster, tmp_path, capsys):
    write(tmp_path, {"pool.yaml": POOL}, "default", A)
    config = json.loads(cluster.kubeconfig("admin").read_text())
    config["clusters"][0]["cluster"]["server"] = "https://127.0.0.1:9"
    (tmp_path / "elsewhere").write_text(json.dumps(config))
    assert enter(["apply", str(tmp_path), "--kubeconfig", str(tmp_path / "elsewhere")]) == 3


def test_a_token_that_is_not_known_is_told(cluster, tmp_path, capsys):
    write(tmp_path, {"pool.yaml": POOL}, "default", A)
    config = cluster.kubeconfig("nobody", "no-such-token")
    assert enter(["apply", str(tmp_path), "--kubeconfig", str(config)]) == 3
    said = capsys.readouterr().err
    assert "does not know us" in said and "no-such-token" not in said


def test_an_order_that_changes_shows(cluster, namespace, tmp_path, run):
    """The prefix comes back: the same two blocks, the other one first."""
    sync(cluster, namespace, {"pool.yaml": POOL}, A, B)
    write(tmp_path, {"pool.yaml": POOL}, namespace, A, B, A)
    code, out, _ = run("--dry-run", "--force")
    first, second = (f'{{"start": "2001:db8:{one}:0:f000::"' for one in "ab")
    signs = [
        line[0] + letter
        for line in out.splitlines()
        for letter, block in (("a", first), ("b", second))
        if block in line
    ]
    assert code == 0
    assert signs in (["+a", " b", "-a"], ["-b", " a", "+b"])


def without_answer(monkeypatch, *words: str, error: type[OutsideError] = OutsideError) -> None:
    """Requests with one of these words in their path get no answer."""
    request = Connection.request

    def until_it_goes_away(self, method, path, **parameters):
        if any(word in path for word in words):
            raise error("the API server did not answer: gone")
        return request(self, method, path, **parameters)

    monkeypatch.setattr(Connection, "request", until_it_goes_away)


def test_an_object_without_an_answer_does_not_stop_the_others(
    cluster, namespace, tmp_path, run, monkeypatch
):
    """By name, in one table with what was done: nobody has to guess."""
    files = {"group.yaml": GROUP, "pool.yaml": POOL, "service.yaml": SERVICE}
    sync(cluster, namespace, files, A)
    write(tmp_path, files, namespace, A, B)
    without_answer(monkeypatch, "ciliumloadbalancerippools/")
    code, out, err = run("--force", "--output", "json")
    said = {one["kind"]: one["standing"] for one in json.loads(out)["objects"]}
    assert code == 3
    assert said == {
        "CiliumCIDRGroup": "applied",
        "CiliumLoadBalancerIPPool": "failed",
        "Service": "applied",
    }
    assert "CiliumLoadBalancerIPPool lan: the API server did not answer" in err


def test_when_the_server_goes_away_the_rest_is_not_tried(
    cluster, namespace, tmp_path, run, monkeypatch
):
    files = {"group.yaml": GROUP} | {
        f"pool-{n}.yaml": POOL.replace("name: lan\n", f"name: lan-{n}\n", 1) for n in range(30)
    }
    sync(cluster, namespace, {"group.yaml": GROUP}, A)
    write(tmp_path, files, namespace, A, B)
    without_answer(monkeypatch, "ciliumloadbalancerippools/", error=NotConnectedError)
    code, out, err = run("--force", "--output", "json")
    standings = [one["standing"] for one in json.loads(out)["objects"]]
    assert code == 3
    assert sorted({*standings}) == ["applied", "failed"]
    assert standings.count("applied") == 1
    assert "not tried: the API server did not answer" in err


def test_a_kind_that_is_not_installed_is_one_warning(namespace, tmp_path, run, monkeypatch):
    monkeypatch.setattr(Connection, "served", lambda *_: None)
    pools = "\n---\n".join(POOL.replace("name: lan", f"name: {name}") for name in ("one", "two"))
    write(tmp_path, {"pools.yaml": pools, "group.yaml": GROUP}, namespace, A)
    code, out, err = run("--output", "json")
    assert [one["standing"] for one in json.loads(out)["objects"]] == ["not-installed"] * 3
    assert code == 0
    assert err.count("it is not installed") == 2, "a kind each"
