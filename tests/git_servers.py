"""Real Git servers on loopback: sshd, and nginx with git http-backend.

Each has fresh keys, a port of its own, and is gone afterwards with all it started.
"""

import os
import shutil
import socket
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.branch import MANAGED, bare_repository
from tests.gitrepo import git
from tests.netns import end, run, until
from tests.parts import require

TOKEN = "s3cret-token-of-nobody"
USER = "robot"
NGINX = """
daemon off; pid {directory}/nginx.pid; error_log {directory}/error.log; {user}
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
      fastcgi_param GIT_PROJECT_ROOT {directory};
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


@dataclass(frozen=True)
class Server:
    """A server of one repository.

    Attributes:
        repository: bare, with `a.yaml` on main.
        directory: the server's own files: keys, logs.
    """

    url: str
    repository: Path
    directory: Path


def _program(name: str) -> str:
    # sshd insists on its absolute path.
    found = shutil.which(name, path=f"{os.environ['PATH']}:/usr/sbin:/sbin")
    assert found is not None
    return found


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def _answers(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


@contextmanager
def _running(*commands: list[str], log: Path) -> Iterator[None]:
    with ExitStack() as stack:
        file = stack.enter_context(log.open("w"))
        for command in commands:
            process = subprocess.Popen(command, stdout=file, stderr=file, start_new_session=True)
            stack.callback(end, process)
        yield


def _repository(tmp_path: Path) -> Path:
    return bare_repository(tmp_path, {"a.yaml": MANAGED})


@contextmanager
def ssh_remote(tmp_path: Path) -> Iterator[Server]:
    """An sshd that knows one key (`deploy`); its own is in `known_hosts`."""
    require("ssh")
    directory, port = tmp_path / "sshd", _free_port()
    directory.mkdir()
    for key in ("host", "deploy", "stranger"):
        run("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(directory / key))
    shutil.copy(directory / "deploy.pub", directory / "authorized_keys")
    host_key = (directory / "host.pub").read_text()
    (directory / "known_hosts").write_text(f"[127.0.0.1]:{port} {host_key}")
    options = {
        "Port": port,
        "ListenAddress": "127.0.0.1",
        "StrictModes": "no",
        "UsePAM": "no",
        "PermitRootLogin": "yes",
        "PidFile": directory / "pid",
        "AuthorizedKeysFile": directory / "authorized_keys",
    }
    if os.geteuid() == 0:
        # Where sshd, started by root, leaves its privileges.
        Path("/run/sshd").mkdir(mode=0o755, exist_ok=True)
    words = [_program("sshd"), "-D", "-e", "-f", "/dev/null", "-h", str(directory / "host")]
    for name, value in options.items():
        words += ["-o", f"{name}={value}"]
    user = run("id", "-un").stdout.strip()
    repository = _repository(tmp_path)
    with _running(words, log=directory / "log"):
        until(lambda: _answers(port), "sshd")
        yield Server(f"ssh://{user}@127.0.0.1:{port}{repository}", repository, directory)


@contextmanager
def http_remote(tmp_path: Path) -> Iterator[Server]:
    """A web server that knows one password: USER's TOKEN."""
    require("http")
    directory, port = tmp_path / "httpd", _free_port()
    directory.mkdir()
    hashed = run("openssl", "passwd", "-apr1", "-in", _written(directory / "token", TOKEN)).stdout
    _written(directory / "passwords", f"{USER}:{hashed}")
    _written(directory / ".gitconfig", "[safe]\n  directory = *\n")
    # Root's nginx would let its workers be nobody, who may not read what is here.
    user = "user root;" if os.geteuid() == 0 else ""
    _written(directory / "nginx.conf", NGINX.format(directory=directory, port=port, user=user))
    repository = _repository(tmp_path)
    git(repository, "config", "http.receivepack", "true")
    (directory / "home.git").symlink_to(repository)
    commands = (
        [_program("fcgiwrap"), "-s", f"unix:{directory / 'cgi.sock'}"],
        [
            _program("nginx"),
            "-e",
            str(directory / "error.log"),
            "-c",
            str(directory / "nginx.conf"),
        ],
    )
    with _running(*commands, log=directory / "log"):
        until((directory / "cgi.sock").exists, "fcgiwrap")
        until(lambda: _answers(port), "nginx")
        yield Server(f"http://127.0.0.1:{port}/home.git", repository, directory)


def _written(path: Path, text: str) -> str:
    path.write_text(text)
    return str(path)
