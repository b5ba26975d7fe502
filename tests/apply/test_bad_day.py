"""API servers that refuse or hang, kubeconfigs of every broken kind: a message, and never a secret."""

import json
import stat
import subprocess
import sys
import threading
import time
from contextlib import suppress

import pytest

from gitops_prefix import __version__
from gitops_prefix.apply.fields import ApplyConfiguration, ObjectReport, ObjectResult, report_on
from gitops_prefix.apply.kube import Connection, NotConnectedError, Served
from gitops_prefix.apply.kube_apply import apply_object
from gitops_prefix.apply.kube_child import answer, for_each
from gitops_prefix.apply.protocol import AT_ONCE, ApplyObjects
from gitops_prefix.errors import InputError, OutsideError
from tests.apply.kubeconfigs import BROKEN, TOKEN, WRONG, kubeconfig
from tests.apply.live import FALLBACK, connect, look, release, sync
from tests.apply.manifests import GROUP, POOL, A, B, configurations, rendered
from tests.netns import until
from tests.web_stand_in import Says, stand_in

FILES = {"pool.yaml": POOL}


@pytest.mark.parametrize("end", ["", "\n", "\r\n", " \n\n"])
def test_a_token_file_may_end_as_editors_and_shells_end_it(tmp_path, end):
    (tmp_path / "token").write_text(TOKEN + end)
    with stand_in(lambda _: Says()) as server:
        user = {"tokenFile": str(tmp_path / "token")}
        path = kubeconfig(tmp_path / "config", user, {"server": server.url})
        connection = Connection(str(path))
        for _ in range(2):
            connection.request("get", "/api/v1")
    assert {asked.headers["authorization"] for asked in server.asked} == {f"Bearer {TOKEN}"}
    assert {asked.headers["user-agent"] for asked in server.asked} == {
        f"gitops-prefix/{__version__}"
    }


@pytest.mark.parametrize("token", [f"{TOKEN}\nx", f"{TOKEN}\u2014", f"{TOKEN}\0"])
def test_a_token_that_is_no_header_is_not_repeated(tmp_path, token):
    path = kubeconfig(tmp_path / "config", {"token": token})
    with pytest.raises(OutsideError) as caught:
        Connection(str(path)).request("get", "/api/v1")
    error: BaseException | None = caught.value
    while error is not None:
        assert TOKEN not in str(error)
        error = error.__cause__


def plugin(path, text: str) -> dict:
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(path.stat().st_mode | stat.S_IXUSR)
    return {
        "exec": {
            "apiVersion": "client.authentication.k8s.io/v1",
            "command": str(path),
            "interactiveMode": "Never",
        }
    }


@pytest.mark.parametrize("text", ["exit 1", "echo hello", "echo '{\"status\": {}}'"])
def test_a_program_for_credentials_that_fails_makes_nobody_anonymous(tmp_path, text):
    with stand_in(lambda _: Says()) as server:
        user = plugin(tmp_path / "plugin", text)
        path = kubeconfig(tmp_path / "config", user, {"server": server.url})
        with pytest.raises(InputError, match="plugin"):
            Connection(str(path))
    assert not server.asked


def test_a_program_for_credentials_that_does_not_exist_is_named(tmp_path, caplog):
    user = {
        "exec": {"apiVersion": "client.authentication.k8s.io/v1", "command": "/nonexistent/aws"}
    }
    with pytest.raises(InputError, match="/nonexistent/aws"):
        Connection(str(kubeconfig(tmp_path / "config", user)))
    assert not caplog.records, "one message, and it is ours"


@pytest.mark.parametrize("key", ["as", "as-uid", "as-groups", "as-user-extra"])
def test_we_act_as_nobody_else(tmp_path, key):
    path = kubeconfig(tmp_path / "config", {"token": TOKEN, key: ["nobody"]})
    with pytest.raises(InputError, match=f"has {key}, and we do not impersonate"):
        Connection(str(path))


def test_the_proxy_of_the_kubeconfig_is_obeyed(tmp_path):
    """Nothing listens there, so nothing arrives."""
    with stand_in(lambda _: Says()) as server:
        cluster = {"server": server.url, "proxy-url": "http://127.0.0.1:1"}
        path = kubeconfig(tmp_path / "config", {"token": TOKEN}, cluster)
        with pytest.raises(NotConnectedError, match="did not answer"):
            Connection(str(path)).request("get", "/api/v1")
    assert not server.asked


def test_a_proxy_that_nobody_speaks_is_refused(tmp_path):
    cluster = {"server": "https://127.0.0.1:1", "proxy-url": "socks5://127.0.0.1:1"}
    with pytest.raises(InputError, match="socks5"):
        Connection(str(kubeconfig(tmp_path / "config", {"token": TOKEN}, cluster)))


@pytest.mark.parametrize(("user", "cluster", "more", "words"), WRONG.values(), ids=WRONG)
def test_what_is_wrong_in_a_kubeconfig_is_named_with_its_remedy(
    tmp_path, user, cluster, more, words
):
    path = kubeconfig(tmp_path / "config", user, cluster, **more)
    with pytest.raises(InputError) as caught:
        Connection(str(path))
    assert words in str(caught.value) and str(path) in str(caught.value)
    assert TOKEN not in str(caught.value)


def test_a_command_leaves_with_2_and_one_message(tmp_path):
    """A daemon goes on publishing; test_replicas and test_in_cluster hold that."""
    home = tmp_path / "home"
    home.mkdir()
    for name, content in rendered(FILES, "", A).items():
        (home / name).write_bytes(content)
    path = kubeconfig(tmp_path / "config", {"exec": "aws", "token": TOKEN})
    words = [sys.executable, "-m", "gitops_prefix", "apply", str(home), "--dry-run"]
    answer = subprocess.run(
        [*words, f"--kubeconfig={path}"], capture_output=True, text=True, check=False
    )
    assert answer.returncode == 2 and answer.stderr.count("error:") == 1
    assert "exec names no command" in answer.stderr and TOKEN not in answer.stderr


@pytest.mark.parametrize("text", BROKEN.values(), ids=BROKEN)
def test_a_broken_kubeconfig_is_one_message_without_its_token(tmp_path, text):
    (tmp_path / "config").write_text(text)
    with pytest.raises(InputError, match="config") as caught:
        Connection(str(tmp_path / "config"))
    assert TOKEN not in str(caught.value)


def status(code: int) -> Says:
    body = {"kind": "Status", "message": "not now", "code": code}
    return Says(code, json.dumps(body).encode(), {"Retry-After": "7"})


@pytest.mark.parametrize("code", [403, 429, 500, 503])
@pytest.mark.parametrize("act", ["apply", "release"])
def test_a_discovery_that_is_refused_is_a_message(tmp_path, code, act):
    (wanted,) = configurations(FILES, "", A)
    with stand_in(lambda _: status(code)) as server:
        path = kubeconfig(tmp_path / "config", {"token": TOKEN}, {"server": server.url})
        connection = Connection(str(path))
        if act == "apply":
            report = apply_object(connection, wanted, FALLBACK)
        else:
            report = release(connection, wanted)
    expected = ObjectResult.FORBIDDEN if code == 403 else ObjectResult.FAILED
    assert (report.result, report.message, report.held) == (expected, "not now", None)
    assert report.retry_after == (0 if code == 403 else 7)


def test_nothing_is_written_when_our_lead_has_ended(cluster, namespace):
    """Read, and tried by the server; but not written."""
    sync(cluster, namespace, FILES, A)
    before = look(cluster, namespace, "pool.yaml", "lan")
    wanted = configurations(FILES, namespace, A, B)
    question = ApplyObjects(wanted, FALLBACK, until=time.monotonic())
    [report] = answer(question, connect(cluster)).reports
    assert report.result is ObjectResult.NOT_LEADING
    assert look(cluster, namespace, "pool.yaml", "lan") == before


def test_a_write_that_another_leader_overtook_is_made_again_from_what_is_there(cluster, namespace):
    """The patch names the version that was read: the new leader's value is not lost unseen."""
    sync(cluster, namespace, FILES, A)
    (old,) = configurations(FILES, namespace, A, B)
    (new,) = configurations(FILES, namespace, A, B, "2001:db8:c::/64")

    class Deposed(Connection):
        leads = True

        def apply(self, served, body, *, force, dry_run):
            if not dry_run and self.leads:
                type(self).leads = False
                apply_object(connect(cluster), new, FALLBACK)
                # Our lead ends while the request is on its way.
                return self.limited(leads_until=0.0).late(served, body, force)
            return super().apply(served, body, force=force, dry_run=dry_run)

        def late(self, served, body, force):
            return super().apply(served, body, force=force, dry_run=False)

    report = apply_object(Deposed(str(cluster.kubeconfig("admin"))), old, FALLBACK)
    assert report.result is ObjectResult.NOT_LEADING
    live = look(cluster, namespace, "pool.yaml", "lan")
    assert live["spec"]["blocks"] == new.fields[0].value


ODD_ANSWERS = {
    "a list": (200, b"[]"),
    "null": (200, b"null"),
    "no list of resources": (200, b'{"resources": "x"}'),
    "resources without a kind": (200, b'{"resources": [{"name": "x"}]}'),
    "a compressed answer that is none": (200, b"rubbish"),
    "details that are a list": (409, b'{"message": "no", "details": [1]}'),
    "causes that are a text": (409, b'{"message": "no", "details": {"causes": "x"}}'),
    "a page": (500, b"<html>"),
}


@pytest.mark.parametrize(("status", "body"), ODD_ANSWERS.values(), ids=ODD_ANSWERS)
def test_what_no_api_server_answers_is_the_outsides_fault(tmp_path, status, body):
    headers = {"Content-Encoding": "gzip"} if body == b"rubbish" else {}
    with stand_in(lambda _: Says(status, body, headers)) as server:
        path = kubeconfig(tmp_path / "config", {"token": TOKEN}, {"server": server.url})
        with pytest.raises(OutsideError):
            Connection(str(path)).served("cilium.io/v2", "CiliumCIDRGroup")


@pytest.mark.parametrize(
    "body", [b"{}", b'{"metadata": []}', b'{"metadata": {"name": "x", "managedFields": "x"}}']
)
def test_an_object_without_what_every_object_has_is_none(tmp_path, body):
    with stand_in(lambda _: Says(200, body)) as server:
        path = kubeconfig(tmp_path / "config", {"token": TOKEN}, {"server": server.url})
        with pytest.raises(OutsideError, match="is no object"):
            Connection(str(path)).get(Served("v1", "Service", "services", True), "a", "b")


@pytest.mark.parametrize("status", [400, 401, 403, 500])
def test_a_server_that_repeats_our_token_is_not_quoted(tmp_path, status):
    said = json.dumps({"kind": "Status", "message": f"bad token {TOKEN}"}).encode()
    with stand_in(lambda _: Says(status, said)) as server:
        path = kubeconfig(tmp_path / "config", {"token": TOKEN}, {"server": server.url})
        with pytest.raises(OutsideError, match="bad token") as caught:
            Connection(str(path)).request("get", "/api/v1")
    assert TOKEN not in str(caught.value)


def test_an_object_that_hangs_is_not_waited_for_again_and_the_others_go_on(cluster, namespace):
    files = {"group.yaml": GROUP, "pool.yaml": POOL}
    sync(cluster, namespace, files, A)
    group, pool = configurations(files, namespace, A, B)

    hung = []

    class Hangs(Connection):
        def request(self, method, path, **parameters):
            if method == "patch" and "/ciliumcidrgroups/" in path:
                hung.append(path)
                raise OutsideError("the API server did not answer: read timeout")
            return super().request(method, path, **parameters)

    connection = Hangs(str(cluster.kubeconfig("admin")))
    first, second = answer(ApplyObjects((group, pool), FALLBACK), connection).reports
    assert (first.result, second.result) == (ObjectResult.FAILED, ObjectResult.APPLIED)
    assert "did not answer" in first.message
    assert len(hung) == 1, "it is not waited for again"


@pytest.mark.parametrize(
    ("error", "tried"),
    [(OutsideError, range(3 * AT_ONCE, 3 * AT_ONCE + 1)), (NotConnectedError, range(2 * AT_ONCE))],
    ids=["objects that hang", "a server that is gone"],
)
def test_only_a_server_that_is_gone_stops_the_others(error, tried):
    """However many objects hang in a row: a webhook of theirs may be slow."""
    asked = []

    def act(wanted: ApplyConfiguration) -> ObjectReport:
        asked.append(wanted)
        raise error("the API server did not answer")

    wanted = ApplyConfiguration("a.yaml", "v1", "Service", "", "a", "", (), {})
    with pytest.raises(error):
        for_each([wanted] * (3 * AT_ONCE), act)
    assert len(asked) in tried


def test_an_object_has_a_limit_for_all_its_requests(tmp_path):
    with stand_in(lambda _: Says(200, b'{"resources": []}')) as server:
        path = kubeconfig(tmp_path / "config", {"token": TOKEN}, {"server": server.url})
        whole = Connection(str(path))
        whole.request("get", "/api/v1")
        ends = time.monotonic() + 3.0
        connection = whole.limited(3.0)
        # A loaded machine may need all of it for the first.
        with suppress(OutsideError):
            connection.request("get", "/api/v1")
        until(lambda: time.monotonic() > ends, "the end of its time")
        with pytest.raises(OutsideError, match="too long"):
            connection.request("get", "/api/v1")


def test_an_answer_that_comes_while_another_object_is_given_up_loses_no_report():
    """The server is back in the moment in which an object is not tried for its absence."""
    first_to_fail, given_up = AT_ONCE - 1, 2 * AT_ONCE - 1
    back, seen, own = threading.Event(), threading.Event(), threading.local()

    class GoneError(NotConnectedError):
        """Whoever quotes the error of another object finds the server back, and then goes on."""

        def __str__(self) -> str:
            if own.error is self:
                own.error = None
            else:
                back.set()
                assert seen.wait(60)
            return "gone"

    def act(wanted: ApplyConfiguration) -> ObjectReport:
        number = int(wanted.name)
        if first_to_fail <= number < given_up:
            own.error = GoneError()
            raise own.error
        if number > given_up:
            # By the thread of the first object, which has ended the row of failures.
            seen.set()
        assert (seen if number else back).wait(60)
        return report_on(wanted, ObjectResult.APPLIED)

    objects = [
        ApplyConfiguration("a.yaml", "v1", "Service", "", str(number), "", (), {})
        for number in range(given_up + 2)
    ]
    # All but one thread wait, so that the failures come one after the other.
    reports = for_each(objects, act).reports
    failed = ["gone"] * AT_ONCE + ["not tried: gone"]
    assert [report.message for report in reports] == ["", *[""] * (AT_ONCE - 2), *failed, ""]
