"""How https reaches the remote: authorities of ours, and a proxy whose password never shows."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from gitops_prefix.errors import InputError, OutsideError
from gitops_prefix.publish.credentials import Token
from gitops_prefix.publish.failure import Published
from gitops_prefix.publish.loan import Loan, Proxy, Transport, read_proxy
from tests.branch import MANAGED, bare_repository, commit_ours, fetched, opened
from tests.connect_proxy import connect_proxy
from tests.git_servers import TOKEN, USER, WebServer, free_port, web_server
from tests.gitrepo import git

CREDENTIALS = Token(lambda: TOKEN, USER)
NEW = {"a.yaml": MANAGED + b"new\n"}
PASSWORD = "p@ss/word-0f-the:proxy"
QUOTED = "p%40ss%2Fword-0f-the%3Aproxy"

PROXIES = {
    "http://proxy:3128": Proxy("http://proxy:3128", "http://proxy:3128", ""),
    "proxy:3128": Proxy("proxy:3128", "http://proxy:3128", ""),
    "me:it@proxy:3128/": Proxy("http://me@proxy:3128/", "http://proxy:3128", "it"),
    "http://me@proxy:3128": Proxy("http://me@proxy:3128", "http://proxy:3128", ""),
    "http://me:@proxy:3128": Proxy("http://me:@proxy:3128", "http://proxy:3128", ""),
    f"https://me:{QUOTED}@[2001:db8::1]:3128": Proxy(
        "https://me@[2001:db8::1]:3128", "https://[2001:db8::1]:3128", PASSWORD
    ),
    # A password that was not escaped may hold an "@": the last one ends it.
    "socks5h://m%40e:i@t@proxy": Proxy("socks5h://m%40e@proxy", "socks5h://proxy", "i@t"),
}


@pytest.mark.parametrize(("text", "proxy"), PROXIES.items(), ids=PROXIES)
def test_a_proxy_is_told_apart_from_its_password(text: str, proxy: Proxy):
    assert read_proxy(text) == proxy


@pytest.fixture(scope="module")
def server(tmp_path_factory) -> Iterator[WebServer]:
    with web_server(tmp_path_factory.mktemp("web") / "d") as server:
        yield server


@pytest.fixture
def remote(tmp_path, server) -> Path:
    name = f"{tmp_path.name}.git"
    made = bare_repository(tmp_path, {"a.yaml": MANAGED})
    return made.rename(server.repositories / name)


def publish(tmp_path: Path, server: WebServer, remote: Path, **proxies: str) -> None:
    transport = Transport(server.authority, proxies)
    options = {"credentials": CREDENTIALS, "transport": transport}
    with fetched(tmp_path / "clone", f"{server.url}/{remote.name}", **options) as repository:
        commit = commit_ours(repository, NEW)
        assert repository.push() == Published(commit)
    assert git(remote, "rev-parse", "main").strip() == commit


def test_a_file_of_authorities_is_believed(tmp_path, server, remote, monkeypatch):
    """Wherever we stand: the path may be relative."""
    monkeypatch.chdir(server.directory)
    transport = Transport(Path(server.authority.name), {})
    url = f"{server.url}/{remote.name}"
    with fetched(tmp_path / "clone", url, credentials=CREDENTIALS, transport=transport) as ours:
        assert ours.tip


def test_another_authority_is_not(tmp_path, server, remote):
    with web_server(tmp_path / "other") as other:
        transport = Transport(other.authority, {})
    url = f"{server.url}/{remote.name}"
    with (
        opened(tmp_path / "c", url, credentials=CREDENTIALS, transport=transport) as repository,
        pytest.raises(OutsideError, match="certificate"),
    ):
        repository.fetch()


@pytest.mark.parametrize(
    ("content", "words"), [(None, "No such file"), (b"none\n", "no certificate in PEM")]
)
def test_a_file_without_authorities_is_told(tmp_path, content, words):
    """Before anything is asked over the network."""
    if content is not None:
        (tmp_path / "ca.pem").write_bytes(content)
    with (
        pytest.raises(InputError, match=f"--ca-file .*ca.pem.*{words}"),
        opened(tmp_path / "c", "https://127.0.0.1:9/x", transport=Transport(tmp_path / "ca.pem")),
    ):
        pass


@pytest.mark.parametrize("name", ["https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"])
def test_everything_goes_through_a_proxy(tmp_path, server, remote, name):
    with connect_proxy() as proxy:
        publish(tmp_path, server, remote, **{name: proxy.url})
        assert set(proxy.opened) == {server.url.removeprefix("https://")}


def test_a_proxy_that_asks_for_a_password_gets_it(tmp_path, server, remote):
    """From a helper: it is in no variable that git is given."""
    with connect_proxy(f"me:{PASSWORD}") as proxy:
        url = f"http://me:{QUOTED}@127.0.0.1:{proxy.port}"
        publish(tmp_path, server, remote, HTTPS_PROXY=url)
        assert len(proxy.opened) >= 3
    with Loan() as loan:
        Transport(None, {"HTTPS_PROXY": url}).lend(loan)
        lent = "\n".join([*loan.environment, *loan.environment.values()])
        assert loan.variables["HTTPS_PROXY"] == f"http://me@127.0.0.1:{proxy.port}"
    assert PASSWORD not in lent
    assert QUOTED not in lent


def test_a_proxy_that_refuses_is_told_without_the_password(tmp_path, server, remote):
    with connect_proxy("me:another") as proxy:
        url = f"http://me:{QUOTED}@127.0.0.1:{proxy.port}"
        transport = Transport(server.authority, {"HTTPS_PROXY": url})
        with (
            opened(
                tmp_path / "c",
                f"{server.url}/{remote.name}",
                credentials=CREDENTIALS,
                transport=transport,
            ) as repository,
            pytest.raises(OutsideError) as error,
        ):
            repository.fetch()
    assert not proxy.opened
    for secret in (PASSWORD, QUOTED):
        assert secret not in str(error.value)


@pytest.mark.parametrize("name", ["no_proxy", "NO_PROXY"])
@pytest.mark.parametrize("text", ["127.0.0.1", "example.com,127.0.0.1", "*"])
def test_an_exception_needs_no_proxy(tmp_path, server, remote, name, text):
    nowhere = f"http://127.0.0.1:{free_port()}"
    publish(tmp_path, server, remote, HTTPS_PROXY=nowhere, **{name: text})


def test_a_proxy_for_http_is_none_for_https(tmp_path, server, remote):
    publish(tmp_path, server, remote, http_proxy=f"http://127.0.0.1:{free_port()}")


def test_a_proxys_password_is_one_line():
    """A line more would be an answer more to git's question."""
    proxies = {"https_proxy": "http://me:it%0Ahost=evil@proxy:3128"}
    with Loan() as loan, pytest.raises(InputError, match="https_proxy holds a password") as error:
        Transport(None, proxies).lend(loan)
    assert "evil" not in str(error.value)
