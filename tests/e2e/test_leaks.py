"""Secrets are planted, the daemon publishes, is refused, and is killed; then everything is searched.

Every process on the machine while it works: its command line and its environment, as far as
whoever runs the tests may read it. What
the daemon says: log, page, status, metrics. What it wrote: commits, and every file that
it leaves. The server repeats our secrets in its own words, as some do.
"""

import base64
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from collections.abc import Set as AbstractSet
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import quote
from urllib.request import ProxyHandler, build_opener
from uuid import uuid4

import pytest

from tests.connect_proxy import connect_proxy
from tests.e2e.pull_requests import fix
from tests.git_servers import USER, free_port, new_key, ssh_server, web_server
from tests.github_apps import APP, AppStandIn, new_app_key
from tests.gitrepo import example, git
from tests.netns import replace_program, run, until
from tests.parts import require
from tests.publish.gpg_keys import GpgKey, keyrings
from tests.static_source import A, fixed
from tests.web_stand_in import Says, stand_in

# Nobody else on the machine has these, who may be testing, too.
TOKEN = f"t0ken-of-{uuid4()}"
PASSPHRASE = f"passphrase-of-{uuid4()}"
HOOK_SECRET = f"secret-of-a-webhook-{uuid4()}"
PROXY_PASSWORD = f"pr0xy/pass:word-of-{uuid4()}"
PAGES = ("/", "/status", "/metrics")
PROGRAMS = {"git-remote-https", "gpg", "gpg-agent"}


def key_lines(path: Path) -> list[str]:
    """The lines of a key that tell it."""
    return [
        line for line in path.read_text().splitlines() if len(line) > 20 and "-----" not in line
    ]


def ancestors_of(process: int) -> Iterator[int]:
    """Its own id, its parent's, and so on."""
    while process:
        yield process
        stat = Path(f"/proc/{process}/stat").read_text()
        process = int(stat.rpartition(")")[2].split()[1])


class Secrets:
    """What must be nowhere, in each form in which it might be."""

    def __init__(self, *texts: str) -> None:
        forms = [form for one in texts for form in (one, quote(one, safe=""))]
        forms += [base64.b64encode(one.encode()).decode() for one in texts]
        users = (USER, "x-access-token")
        forms += [
            base64.b64encode(f"{user}:{one}".encode()).decode() for one in texts for user in users
        ]
        self._forms = [form.encode() for form in forms]

    def found_in(self, content: bytes) -> list[bytes]:
        return [form for form in self._forms if form in content]


@dataclass
class Watch:
    """Looks at every process, again and again, until `looking` ends.

    Attributes:
        seen: the programs whose command line was read; everybody may read that.
        read: the programs whose environment was read, too. A process that is not dumpable, as
            gpg-agent is, shows its environment to root alone (proc(5)).
    """

    secrets: Secrets
    daemon: int = 0
    leaks: list[str] = field(default_factory=list)
    seen: set[str] = field(default_factory=set)
    read: set[str] = field(default_factory=set)
    _over: threading.Event = field(default_factory=threading.Event)

    def look(self) -> None:
        for directory in Path("/proc").glob("[0-9]*"):
            # A process may end at any moment.
            with suppress(OSError):
                words = (directory / "cmdline").read_bytes()
                self._judge(directory, words, self._environment(directory))

    def _environment(self, directory: Path) -> bytes | None:
        """None if only root may read it."""
        try:
            return (directory / "environ").read_bytes()
        except PermissionError:
            if os.geteuid() == 0:
                raise
            return None

    def _judge(self, directory: Path, words: bytes, environment: bytes | None) -> None:
        text = words.replace(b"\0", b" ").decode(errors="replace")
        ancestors = tuple(ancestors_of(int(directory.name)))
        if os.getpid() in ancestors and self.daemon not in ancestors:
            # The server's side, whose CGI is told what the client sent.
            return
        if self.secrets.found_in(words):
            self.leaks.append(f"command line: {text}")
        # The daemon was given it so; a child that is not yet another program is the daemon
        # still, in the kernel's eyes.
        own = words == Path(f"/proc/{self.daemon}/cmdline").read_bytes()
        if environment and self.secrets.found_in(environment) and not own:
            self.leaks.append(f"environment of {text}")
        program = Path(text.partition(" ")[0]).name
        self.seen.add(program)
        if environment is not None:
            self.read.add(program)

    @contextmanager
    def looking(self) -> Iterator[None]:
        def go_on() -> None:
            while not self._over.wait(0.005):
                self.look()

        thread = threading.Thread(target=go_on)
        thread.start()
        try:
            yield
        finally:
            self._over.set()
            thread.join()


@dataclass
class Place:
    """Where the daemon may write, and what it said."""

    directory: Path
    secrets: Secrets

    @property
    def log(self) -> Path:
        return self.directory / "log"

    @property
    def own(self) -> Path:
        return self.directory / "own"

    @contextmanager
    def daemon(self, words: list[str], variables: Mapping[str, str]) -> Iterator[tuple[int, str]]:
        """The daemon at work, and where it listens; it ends as by a power cut."""
        self.own.mkdir(exist_ok=True)
        listen = f"127.0.0.1:{free_port()}"
        command = [sys.executable, "-m", "gitops_prefix", "run", "--verbose", "--listen", listen]
        command += ["--clone-dir", str(self.own / "clone"), "--interval", "1s", *words]
        environment = {"PATH": os.environ["PATH"], "TMPDIR": str(self.own), "HOME": str(self.own)}
        with self.log.open("ab") as log:
            process = subprocess.Popen(
                command, stdout=log, stderr=log, env=environment | dict(variables)
            )
            try:
                yield process.pid, f"http://{listen}"
            finally:
                process.send_signal(signal.SIGKILL)
                process.wait()

    def says(self, words: str) -> Callable[[], bool]:
        return lambda: words in self.log.read_text()

    def shown(self, url: str) -> bytes:
        opener = build_opener(ProxyHandler({}))
        return b"\n".join(opener.open(url + page, timeout=120).read() for page in PAGES)

    def leaks(self, remote: Path, *shown: bytes) -> list[str]:
        """Where a secret is, of everything that is left."""
        found = [f"page: {page[:80]}" for page in shown if self.secrets.found_in(page)]
        if self.secrets.found_in(self.log.read_bytes()):
            found.append("the log")
        left = [*self.own.rglob("*"), *Path("/dev/shm").glob("gitops-prefix*/**/*")]
        files = [path for path in left if path.is_file()]
        found += [str(path) for path in files if self.secrets.found_in(path.read_bytes())]
        objects = ("cat-file", "--batch-all-objects", "--batch", "--unordered")
        for repository in (remote, self.own / "clone" / "repository.git"):
            git_dir = ["git", "-C", str(repository), *objects]
            everything = subprocess.run(git_dir, check=True, capture_output=True).stdout
            if self.secrets.found_in(everything):
                found.append(f"an object of {repository}")
        return found


def set_hook(remote: Path, text: str) -> None:
    hook = remote / "hooks" / "pre-receive"
    hook.parent.mkdir(exist_ok=True)
    replace_program(hook, f"#!/bin/sh\n{text}\n")


def ours(remote: Path) -> bool:
    """Whether the last commit of the branch is the daemon's."""
    return git(remote, "log", "-1", "--format=%s", "main").startswith("prefix(")


def play(
    place: Place,
    remote: Path,
    words: list[str],
    variables: Mapping[str, str],
    echo: str,
    programs: AbstractSet[str] = frozenset(),
) -> Watch:
    """Refused in words that hold our secrets, let in, and killed in the middle of a push.

    Args:
        place: where all this is.
        remote: the repository, whose hook is ours.
        words: the daemon's options.
        variables: of its environment.
        echo: a file that the server repeats.
        programs: that must be seen at work; some live for a moment, and work at each change.
    """
    watch = Watch(place.secrets)
    hanging = place.directory / "hanging"
    set_hook(remote, f"cat {echo} >&2\nexit 1")
    with place.daemon(words, variables) as (process, url):
        watch.daemon = process
        with watch.looking():
            until(place.says("[secret]"), "a refusal")
            refused = place.shown(url)
            assert b"[secret]" in refused, "the page says what the server said"
            set_hook(remote, "exit 0")
            until(place.says("published "), "a publication")
            if "--notify" in words:
                until(place.says("403 no [secret] [secret]"), "a webhook that refuses")
            published = place.shown(url)
            tree = place.directory / "tree"
            for number in range(50):
                if programs <= watch.seen:
                    break
                fix(tree, f"2001:db8:{0x100 + number:x}::/64")
                until(lambda: ours(remote), "another commit")
            fix(tree, "2001:db8:5678::/64")
            set_hook(remote, f"touch {hanging}; while test -e {hanging}; do sleep 0.1; done")
            until(hanging.exists, "a push")
            watch.look()
    hanging.unlink()
    assert place.leaks(remote, refused, published) == []
    return watch


@pytest.fixture
def keyring() -> Iterator[Path]:
    with keyrings() as base:
        yield base / "home"


def test_over_https_nothing_shows_of_any_secret(tmp_path, keyring):
    """The token and the proxy are in the daemon's environment, and in that of no other process."""
    require("http", "gpg")
    remote = example("plain", tmp_path)
    fixed(tmp_path / "tree", A)
    # It is at work for long enough to be seen, in most cases.
    key = GpgKey(keyring, PASSPHRASE, work=65011712).export(tmp_path / "signing", "--armor")
    passphrase = tmp_path / "passphrase"
    passphrase.write_text(f"{PASSPHRASE}\n")
    echo = tmp_path / "echo"
    basic = base64.b64encode(f"{USER}:{TOKEN}".encode()).decode()
    echo.write_text(f"no {TOKEN}, {basic}\nno {PROXY_PASSWORD}\nno {PASSPHRASE}\n{key.read_text()}")
    (tmp_path / "webhook").write_text(f"{HOOK_SECRET}\n")
    planted = Secrets(TOKEN, PROXY_PASSWORD, PASSPHRASE, HOOK_SECRET, *key_lines(key))
    place = Place(tmp_path, planted)
    with (
        web_server(tmp_path / "web", token=TOKEN) as server,
        connect_proxy(f"me:{PROXY_PASSWORD}") as proxy,
        stand_in(lambda _: Says(403, f"no {HOOK_SECRET} {TOKEN}".encode())) as webhook,
    ):
        served = server.repositories / "home.git"
        served.symlink_to(remote)
        words = ["--repo", f"{server.url}/home.git", "--ca-file", str(server.authority)]
        words += ["--username", USER, "--signing-key", str(key)]
        words += ["--signing-passphrase-file", str(passphrase)]
        words += ["--notify", f"hmac={webhook.url}/in"]
        words += ["--notify-secret-file", str(tmp_path / "webhook")]
        password = quote(PROXY_PASSWORD, safe="")
        variables = {
            "GITOPS_PREFIX_TOKEN": TOKEN,
            "HTTPS_PROXY": f"http://me:{password}@127.0.0.1:{proxy.port}",
        }
        watch = play(place, remote, words, variables, str(echo), PROGRAMS)
        assert proxy.opened
        assert webhook.asked
    assert watch.leaks == []
    assert watch.seen >= PROGRAMS
    not_dumpable = set() if os.geteuid() == 0 else {"gpg-agent"}
    assert PROGRAMS - not_dumpable <= watch.read


def test_over_ssh_nothing_shows_of_the_keys(tmp_path):
    """Neither of the deploy key nor of the one that signs."""
    require("ssh")
    remote = example("plain", tmp_path)
    fixed(tmp_path / "tree", A)
    with ssh_server(tmp_path / "sshd") as server:
        deploy, signing = server.credentials.key, tmp_path / "signing"
        new_key(signing)
        echo = tmp_path / "echo"
        echo.write_text(deploy.read_text() + signing.read_text())
        place = Place(tmp_path, Secrets(*key_lines(deploy), *key_lines(signing)))
        words = ["--repo", server.url(remote), "--ssh-key", str(deploy)]
        words += ["--known-hosts", str(server.credentials.known_hosts)]
        words += ["--signing-key", str(signing)]
        watch = play(place, remote, words, {}, str(echo))
    assert watch.leaks == []
    assert {"ssh", "git"} <= watch.read


def test_of_a_github_app_nothing_shows_of_its_key_and_of_the_token_that_is_minted(tmp_path):
    """The token is nowhere but in the memory of the daemon, and of git for a moment."""
    require("http")
    remote = example("plain", tmp_path)
    fixed(tmp_path / "tree", A)
    key, echo = tmp_path / "app.pem", tmp_path / "echo"
    new_app_key(key)
    end = uuid4().hex
    token = f"ghs_token0of{end}"
    basic = base64.b64encode(f"x-access-token:{token}".encode()).decode()
    echo.write_text(f"no {token} {basic}\n{key.read_text()}")
    place = Place(tmp_path, Secrets(token, *key_lines(key)))
    app = AppStandIn(key, end=end)
    with web_server(tmp_path / "web", tls=False) as server:
        (server.repositories / "home").mkdir()
        (server.repositories / "home" / "ops.git").symlink_to(remote)
        hashed = run("openssl", "passwd", "-apr1", token).stdout
        (server.directory / "passwords").write_text(f"x-access-token:{hashed}")
        with stand_in(app.answer) as api:
            words = ["--repo", f"{server.url}/home/ops.git", "--forge-url", api.url]
            words += ["--github-app-id", APP, "--github-app-key-file", str(key)]
            watch = play(place, remote, words, {}, str(echo))
    assert app.minted == [token]
    assert watch.leaks == []
