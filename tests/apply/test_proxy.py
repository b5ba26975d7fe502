"""The way to an API server: through the proxy of the environment, as kubectl goes; a pod needs none."""

import pytest

from gitops_prefix.apply.kube import Connection
from gitops_prefix.apply.kube_config import read_proxy
from gitops_prefix.errors import InputError, OutsideError
from tests.connect_proxy import connect_proxy

NAMES = ("https_proxy", "HTTPS_PROXY", "http_proxy", "HTTP_PROXY", "no_proxy", "NO_PROXY")


@pytest.fixture
def asked(cluster, monkeypatch):
    """What went through the proxy, when the environment says so."""
    for name in NAMES:
        monkeypatch.delenv(name, raising=False)

    def ask(proxy, **variables: str) -> int:
        for name, text in variables.items():
            monkeypatch.setenv(name, text.replace("PROXY", f"127.0.0.1:{proxy.port}"))
        answer = Connection(str(cluster.kubeconfig("admin"))).request("get", "/api/v1")
        assert answer["kind"] == "APIResourceList"
        return len(proxy.opened)

    return ask


@pytest.mark.parametrize("name", ["https_proxy", "HTTPS_PROXY"])
@pytest.mark.parametrize("scheme", ["", "http://"])
def test_the_proxy_of_the_environment_is_asked(asked, name, scheme):
    with connect_proxy() as proxy:
        assert asked(proxy, **{name: f"{scheme}PROXY"}) == 1


def test_a_proxy_that_asks_for_a_password_gets_it(asked):
    with connect_proxy("me:s/cret") as proxy:
        assert asked(proxy, https_proxy="http://me:s%2Fcret@PROXY") == 1


def test_a_proxy_that_refuses_is_told_without_the_password(asked):
    with connect_proxy("me:another") as proxy, pytest.raises(OutsideError) as error:
        asked(proxy, https_proxy="http://me:s%2Fcret@PROXY")
    assert "cret" not in str(error.value)


def test_what_is_no_proxy_is_told_without_the_password():
    with pytest.raises(InputError) as error:
        read_proxy({"HTTPS_PROXY": "http://me:s3cret@127.0.0.1:port"})
    assert "https_proxy" in str(error.value) and "s3cret" not in str(error.value)


@pytest.mark.parametrize("name", ["no_proxy", "NO_PROXY"])
@pytest.mark.parametrize("text", ["127.0.0.1", "127.0.0.0/8", "localhost,127.0.0.1"])
def test_but_not_for_what_needs_none(asked, name, text):
    with connect_proxy() as proxy:
        assert asked(proxy, HTTPS_PROXY="PROXY", **{name: text}) == 0


def test_the_proxy_for_http_is_not_taken_for_https(asked):
    with connect_proxy() as proxy:
        assert asked(proxy, HTTP_PROXY="PROXY", http_proxy="PROXY") == 0
