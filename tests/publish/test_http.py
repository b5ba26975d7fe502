"""A real web server with git http-backend and a password: the token never shows."""

import contextlib
import os
import shutil
import subprocess
import threading
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from gitops_prefix.errors import InputError
from gitops_prefix.publish.credentials import Token, token_from
from gitops_prefix.publish.push_report import Published
from gitops_prefix.publish.repository import RefusedError, Repository
from tests.gitrepo import bare_clone, commit_all, git
from tests.netns import end, until
from tests.parts import require

TOKEN = "s3cret-token-of-nobody"
NGINX = """
daemon off; pid {directory}/nginx.pid; error_log {directory}/error.log; user root;
events {{}}
http {{
  access_log off;
  client_body_temp_path {directory}/body; proxy_temp_path {directory}/proxy;
  fastcgi_temp_path {directory}/fastcgi; uwsgi_temp_path {directory}/uwsgi; scgi_temp_path {directory}/scgi;
  server {{
    listen 127.0.0.1:{port};
    auth_basic git; auth_basic_user_file {directory}/passwords;
    location / {{
      fastcgi_pass unix:{directory}/cgi.sock;
      fastcgi_param SCRIPT_FILENAME /usr/lib/git-core/git-http-backend;
      fastcgi_param GIT_PROJECT_ROOT {directory}/repositories;
      fastcgi_param GIT_HTTP_EXPORT_ALL 1;
      fastcgi_param PATH_INFO $uri;
      fastcgi_param QUERY_STRING $query_string;
      fastcgi_param REQUEST_METHOD $request_method;
      fastcgi_param CONTENT_TYPE $content_type;
      fastcgi_param CONTENT_LENGTH $content_length;
      fastcgi_param REMOTE_USER $remote_user;
      fastcgi_param HOME {directory};
    }}
  }}
}}
"""


@contextlib.contextmanager
def web_server(directory: Path, port: int) -> Iterator[None]:
    hashed = subprocess.run(
        ["openssl", "passwd", "-apr1", TOKEN], check=True, capture_output=True, text=True
    )
    (directory / "passwords").write_text(f"robot:{hashed.stdout}")
    (directory / "nginx.conf").write_text(NGINX.format(directory=directory, port=port))
    (directory / ".gitconfig").write_text("[safe]\n  directory = *\n")
    search = f"{os.environ['PATH']}:/usr/sbin"
    socket = directory / "cgi.sock"
    commands = [
        [shutil.which("fcgiwrap", path=search), "-s", f"unix:{socket}"],
        [shutil.which("nginx", path=search), "-c", str(directory / "nginx.conf")],
    ]
    with contextlib.ExitStack() as stack:
        for command in commands:
            process = subprocess.Popen(command, stderr=subprocess.DEVNULL, start_new_session=True)
            stack.callback(end, process)
            until(socket.exists, "fcgiwrap")
        until((directory / "nginx.pid").exists, "nginx")
        yield


@pytest.fixture
def url(tmp_path: Path) -> Iterator[str]:
    require("http")
    repositories = tmp_path / "repositories"
    repositories.mkdir()
    tree = tmp_path / "tree"
    tree.mkdir()
    (tree / "a.yaml").write_text("# dynamic-prefix.io/\na: 1\n")
    commit_all(tree)
    bare_clone(tree, repositories / "home.git")
    git(repositories / "home.git", "config", "http.receivepack", "true")
    port = 20000 + os.getpid() % 20000
    with web_server(tmp_path, port):
        yield f"http://127.0.0.1:{port}/home.git"


@contextlib.contextmanager
def opened(clone: Path, url: str, token: str) -> Iterator[Repository]:
    file = clone.with_suffix(".token")
    file.write_text(f"{token}\n")
    repository = Repository(clone, url, "main", credentials=Token(token_from(file).read, "robot"))
    repository.open()
    try:
        yield repository
    finally:
        repository.close()


def test_a_token_publishes_and_shows_nowhere(tmp_path: Path, url: str):
    """Fetch, commit and push; no command line of any process ever held the token."""
    seen: set[bytes] = set()
    stop = threading.Event()
    watching = threading.Thread(target=_collect_command_lines, args=(seen, stop))
    watching.start()
    try:
        with opened(tmp_path / "clone", url, TOKEN) as repository:
            repository.fetch()
            base = repository.base
            assert list(repository.managed_files(base)) == ["a.yaml"]
            moment = datetime(2026, 11, 24, tzinfo=UTC)
            commit = repository.commit(
                base, {"a.yaml": b"# dynamic-prefix.io/\na: 2\n"}, "two\n", moment
            )
            assert repository.push() == Published(commit)
    finally:
        stop.set()
        watching.join()
    remote = tmp_path / "repositories" / "home.git"
    assert git(remote, "show", "main:a.yaml").endswith("a: 2\n")
    assert any(b"push" in line for line in seen), "the sampling saw git at work"
    assert not [line for line in seen if TOKEN.encode() in line]
    kept = [path for path in (tmp_path / "clone").rglob("*") if path.is_file()]
    assert not [path for path in kept if TOKEN.encode() in path.read_bytes()]


def test_a_wrong_token_is_refused_and_not_repeated(tmp_path: Path, url: str):
    """Permanent until somebody acts; the words hold no secret."""
    with opened(tmp_path / "clone", url, "wrong-token") as repository:
        with pytest.raises(RefusedError) as error:
            repository.fetch()
        assert "wrong-token" not in str(error.value)


def test_a_token_file_that_is_not_there_is_named(tmp_path: Path):
    """Before anything is asked over the network."""
    with pytest.raises(InputError, match=r"--token-file .*nowhere"):
        token_from(tmp_path / "nowhere")


def _collect_command_lines(seen: set[bytes], stop: threading.Event) -> None:
    while not stop.is_set():
        for path in Path("/proc").glob("[0-9]*/cmdline"):
            with contextlib.suppress(OSError):
                seen.add(path.read_bytes())
