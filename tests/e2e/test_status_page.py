"""The daemon as a process, asked over HTTP what its last publication came to."""

import json
import sys
import urllib.request
from urllib.error import URLError

from tests.e2e.hooks import declines
from tests.git_servers import TOKEN, USER, free_port, start_here, web_server
from tests.gitrepo import example, git
from tests.netns import until
from tests.static_source import A, B, fixed


def test_what_the_hook_said_is_on_the_page_and_in_the_json_until_it_lets_us(tmp_path):
    """Its words, since when the change waits, and no secret; afterwards nothing waits."""
    tree, port = tmp_path / "tree", free_port()
    with web_server(tmp_path / "httpd", tls=False) as server:
        remote = example("plain", tmp_path)
        fixed(tree, A)
        (server.repositories / "home.git").symlink_to(remote)
        (tmp_path / "token").write_text(f"{TOKEN}\n")
        words = [sys.executable, "-m", "gitops_prefix", "run", "--repo", f"{server.url}/home.git"]
        words += ["--clone-dir", str(tmp_path / "clone"), "--listen", f"127.0.0.1:{port}"]
        words += ["--token-file", str(tmp_path / "token"), "--username", USER, "--interval", "1s"]

        def ask(path: str) -> str:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}") as answer:
                return answer.read().decode()

        def publication() -> dict[str, object]:
            try:
                return json.loads(ask("/status"))["publication"]
            except URLError:
                return {}

        def came_to(*results: str) -> bool:
            return publication().get("result") in results

        log = tmp_path / "log"
        with log.open("w") as stderr, start_here(*words, stderr=stderr):
            until(lambda: came_to("published", "unchanged"), "the first prefix")
            hook = declines(remote)
            git(tree, "pull", "-q", "origin", "main")
            fixed(tree, B)
            until(lambda: came_to("refused"), "the hook")
            seen = publication()
            assert "only on <weekdays>" in seen["words"]
            assert (seen["stage"], seen["reason"]) == ("push", "hook")
            assert seen["pending_since"] is not None
            page = ask("/")
            assert "only on &lt;weekdays&gt;" in page
            hook.unlink()
            until(lambda: came_to("published", "unchanged"), "the hook lets us")
            after = publication()
            assert (after["words"], after["pending_since"], after["failures"]) == ("", None, 0)
            told = page + json.dumps(seen) + ask("/metrics")
        told += log.read_text()
        assert 'publish_failures_total{reason="hook",stage="push"}' in told
        assert TOKEN not in told
