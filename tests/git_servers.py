"""Real servers for git on loopback: an sshd with fresh keys, and a web server with a password.

Each has a port of its own, and is gone afterwards with all that it started.
"""

import fcntl
import getpass
import os
import secrets
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager, suppress
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import IO

from gitops_prefix.publish.credentials import SshKey
from tests.branch import MANAGED, bare_repository
from tests.netns import end, run, until
from tests.parts import require

_SEARCH = f"{os.environ['PATH']}:/usr/sbin:/sbin"
USER = "robot"
TOKEN = "s3cret-token-of-nobody"
READ_ONLY = "read-0nly-token-of-nobody"

Start = Callable[..., AbstractContextManager[subprocess.Popen[str]]]


@contextmanager
def start_here(*words: str, **options) -> Iterator[subprocess.Popen[str]]:
    """A server in our own network; `Namespace.start` is one elsewhere."""
    process = subprocess.Popen(words, text=True, start_new_session=True, **options)
    try:
        yield process
    finally:
        end(process)


_OURS: set[int] = set()
"""The ports that this process has given out."""


@cache
def _claims() -> IO[bytes]:
    """A file that every test process of this user opens; each locks one byte for each of its ports."""
    return (Path(tempfile.gettempdir()) / f"gitops-prefix-ports-{os.getuid()}").open("ab")


def free_port() -> int:
    """A port that nobody takes until its server does, however late that starts.

    The kernel gives it to no connection: it is below the range of those. No other test process
    is given it while this one lives: its byte is locked. Where that range begins so low that an
    ordinary user may bind no port below it, a port of the range has to do.
    """
    first = int(Path("/proc/sys/net/ipv4/ip_local_port_range").read_text().split()[0])
    ports = range(first * 2 // 3, first) if first > 4096 else range(20000, 30000)
    while True:
        port = secrets.choice(ports)
        if port in _OURS:
            continue
        with suppress(OSError), socket.socket() as probe:
            fcntl.lockf(_claims(), fcntl.LOCK_EX | fcntl.LOCK_NB, 1, port)
            probe.bind(("127.0.0.1", port))
            _OURS.add(port)
            return port


@contextmanager
def listener() -> Iterator[socket.socket]:
    """A port that takes connections, and never says a word unless the test does."""
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        listening.listen(16)
        yield listening


@dataclass(frozen=True)
class SshServer:
    """Where it listens, and the keys: `deploy` may do all, `reader` may only fetch."""

    directory: Path
    port: int

    @property
    def credentials(self) -> SshKey:
        return SshKey(self.directory / "deploy", self.directory / "known_hosts")

    def url(self, repository: Path) -> str:
        return f"ssh://{getpass.getuser()}@127.0.0.1:{self.port}{repository}"


def new_key(path: Path, passphrase: str = "") -> str:
    """A fresh key pair; the public half as authorized_keys and known_hosts have it."""
    require("ssh-keygen")
    run("ssh-keygen", "-q", "-t", "ed25519", "-N", passphrase, "-f", str(path))
    return path.with_name(f"{path.name}.pub").read_text()


@contextmanager
def ssh_server(
    directory: Path, *, port: int | None = None, start: Start = start_here
) -> Iterator[SshServer]:
    """An sshd for whoever runs the tests; `stranger` is a key that it does not know."""
    require("ssh")
    directory.mkdir()
    if os.geteuid() == 0:
        # Where sshd, started by root, leaves its privileges.
        Path("/run/sshd").mkdir(mode=0o755, exist_ok=True)
    new_key(directory / "stranger")
    server = SshServer(directory, port or free_port())
    host = new_key(directory / "host")
    (directory / "known_hosts").write_text(f"[127.0.0.1]:{server.port} {host}")
    # As a forge answers to a deploy key that may not write.
    refusal = directory / "refusal"
    refusal.write_text(
        '#!/bin/sh\ncase "$SSH_ORIGINAL_COMMAND" in\n'
        'git-upload-pack*) exec sh -c "$SSH_ORIGINAL_COMMAND";;\nesac\n'
        "echo 'ERROR: The key you are authenticating with has been marked as read only.' >&2\n"
        "exit 1\n"
    )
    refusal.chmod(0o755)
    may_read = f'command="{refusal}" {new_key(directory / "reader")}'
    (directory / "authorized_keys").write_text(new_key(directory / "deploy") + may_read)
    options = {
        "Port": server.port,
        "ListenAddress": "127.0.0.1",
        "StrictModes": "no",
        "UsePAM": "no",
        "PermitRootLogin": "yes",
        "PasswordAuthentication": "no",
        "PidFile": directory / "pid",
        # On a busy machine many may be at their login at once.
        "MaxStartups": 200,
        "AuthorizedKeysFile": directory / "authorized_keys",
    }
    words = [shutil.which("sshd", path=_SEARCH), "-D", "-e", "-f", "/dev/null"]
    words += ["-h", str(directory / "host")]
    for name, text in options.items():
        words += ["-o", f"{name}={text}"]
    log = directory / "log"
    with log.open("w") as stderr, start(*words, stderr=stderr):
        until(lambda: "listening on" in log.read_text().lower(), "sshd")
        yield server


_NGINX = """
daemon off; pid {directory}/nginx.pid; error_log {directory}/error.log; {user}
events {{}}
http {{
  access_log off; client_max_body_size 100m;
  client_body_temp_path {directory}/body; proxy_temp_path {directory}/proxy;
  fastcgi_temp_path {directory}/fastcgi; uwsgi_temp_path {directory}/uwsgi; scgi_temp_path {directory}/scgi;
  map $remote_user:$request_uri $declined {{ default 0; ~^reader:.*git-receive-pack 1; }}
  server {{
    listen 127.0.0.1:{port}{tls};
    auth_basic git; auth_basic_user_file {directory}/passwords;
    location /busy/ {{ auth_basic off; return 503 "come back later"; }}
    location /echo/ {{
      auth_basic off; default_type text/plain; add_header WWW-Authenticate "Basic realm=x" always;
      if ($http_authorization = "") {{ return 401; }}
      return 403 "you sent $http_authorization";
    }}
    location /moved/ {{ auth_basic off; return 302 {elsewhere}$request_uri; }}
    location / {{
      if ($declined) {{ return 403; }}
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


@dataclass(frozen=True)
class WebServer:
    """Bare repositories below `repositories`, for USER with TOKEN and `reader` with READ_ONLY."""

    directory: Path
    url: str

    @property
    def repositories(self) -> Path:
        return self.directory / "repositories"

    @property
    def authority(self) -> Path:
        """The certificate that a client must believe, when it is https."""
        return self.directory / "certificate.pem"


@contextmanager
def web_server(
    directory: Path,
    *,
    tls: bool = True,
    elsewhere: str = "http://127.0.0.1:9",
    token: str = TOKEN,
) -> Iterator[WebServer]:
    """git http-backend behind nginx.

    Args:
        directory: for all its files; it is made.
        tls: https, with a certificate of its own making.
        elsewhere: where everything below /moved/ is said to be.
        token: USER's.
    """
    require("http")
    server = WebServer(directory, f"http{'s' if tls else ''}://127.0.0.1:{free_port()}")
    server.repositories.mkdir(parents=True)
    _write_settings(server, tls=tls, elsewhere=elsewhere, token=token)
    cgi = directory / "cgi.sock"
    # A hook that hangs must not keep others from the server.
    words = [shutil.which("fcgiwrap", path=_SEARCH), "-c", "8", "-s", f"unix:{cgi}"]
    with ExitStack() as stack:
        stack.enter_context(start_here(*words, stderr=subprocess.DEVNULL))
        until(lambda: _takes(cgi), "fcgiwrap")
        words = [shutil.which("nginx", path=_SEARCH), "-c", str(directory / "nginx.conf")]
        words += ["-e", str(directory / "error.log")]
        stack.enter_context(start_here(*words, stderr=subprocess.DEVNULL))
        until((directory / "nginx.pid").exists, "nginx")
        yield server


def _takes(path: Path) -> bool:
    """Whether somebody listens at this socket; it is there before."""
    with socket.socket(socket.AF_UNIX) as asking, suppress(OSError):
        asking.connect(str(path))
        return True
    return False


def _write_settings(server: WebServer, *, tls: bool, elsewhere: str, token: str) -> None:
    directory = server.directory
    hashed = {
        user: run("openssl", "passwd", "-apr1", password).stdout
        for user, password in {USER: token, "reader": READ_ONLY}.items()
    }
    (directory / "passwords").write_text("".join(f"{u}:{text}" for u, text in hashed.items()))
    (directory / ".gitconfig").write_text("[safe]\n  directory = *\n[http]\n  receivepack = true\n")
    certificate = ""
    if tls:
        key = directory / "key.pem"
        words = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"]
        words += ["-nodes", "-keyout", str(key), "-out", str(server.authority), "-days", "2"]
        run(*words, "-subj", "/CN=127.0.0.1", "-addext", "subjectAltName=IP:127.0.0.1")
        certificate = f" ssl; ssl_certificate {server.authority}; ssl_certificate_key {key}"
    settings = _NGINX.format(
        directory=directory,
        port=server.url.rpartition(":")[2],
        tls=certificate,
        elsewhere=elsewhere,
        user="user root;" if os.geteuid() == 0 else "",
    )
    (directory / "nginx.conf").write_text(settings)


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


@contextmanager
def ssh_remote(tmp_path: Path) -> Iterator[Server]:
    """One repository over ssh."""
    with ssh_server(tmp_path / "sshd") as server:
        repository = bare_repository(tmp_path, {"a.yaml": MANAGED})
        yield Server(server.url(repository), repository, server.directory)


@contextmanager
def http_remote(tmp_path: Path) -> Iterator[Server]:
    """One repository over http."""
    with web_server(tmp_path / "httpd", tls=False) as server:
        repository = bare_repository(tmp_path, {"a.yaml": MANAGED})
        (server.repositories / "home.git").symlink_to(repository)
        yield Server(f"{server.url}/home.git", repository, server.directory)
