"""The HTTP client: whatever a server does, the answer is a value, and no secret is in it."""

import threading
from contextlib import closing, suppress

import pytest

from gitops_prefix.publish.http import (
    MOST_BYTES,
    HttpClient,
    Refused,
    Request,
    Response,
    Unreachable,
)
from tests.git_servers import free_port, listener
from tests.netns import run, until
from tests.web_stand_in import Says, stand_in

SECRET = "tok-1234567890"
ASK = {"Authorization": f"Bearer {SECRET}"}
DATE = "Wed, 25 Nov 2026 12:00:00 GMT"


def send(url: str, method: str = "GET", *, seconds: float = 60.0, content: object = None):
    return HttpClient(seconds=seconds).send(Request(method, url, ASK, content))


def test_json_goes_out_and_comes_back():
    with stand_in(lambda asked: Says(201, b'{"n": 1}', {"ETag": "x"})) as server:
        answer = send(f"{server.url}/a", "POST", content={"title": "ü"})
    assert isinstance(answer, Response)
    assert (answer.status, answer.json(), answer.headers["etag"]) == (201, {"n": 1}, "x")
    [asked] = server.asked
    assert (asked.method, asked.path, asked.body) == ("POST", "/a", b'{"title": "\\u00fc"}')
    assert asked.headers["content-type"] == "application/json"
    assert asked.headers["authorization"] == f"Bearer {SECRET}"


def test_bytes_go_out_as_they_are():
    """A signature is over these very bytes."""
    with stand_in(lambda asked: Says(204, b"")) as server:
        assert isinstance(send(server.url, "POST", content=b'{"a":1}'), Response)
    assert server.asked[0].body == b'{"a":1}'


@pytest.mark.parametrize("body", [b"<html>", b"", b"[" * 100_000, b"1" * 10_000])
def test_an_answer_that_is_no_json_is_none(body):
    with stand_in(lambda asked: Says(200, body)) as server:
        assert send(server.url).json() is None


REFUSALS = [
    (401, b'{"message": "Bad credentials"}', "401 Bad credentials"),
    (403, b'{"message": "Resource not accessible"}', "403 Resource not accessible"),
    (404, b'{"message": "404 Project Not Found"}', "404 404 Project Not Found"),
    (409, b'{"message": ["Another open merge request"]}', "Another open merge request"),
    (422, b'{"message": "Validation", "errors": [{"message": "exists"}]}', "Validation: exists"),
    (400, b'{"error": "invalid", "error_description": "no scope"}', "invalid: no scope"),
    (400, b"<html><b>nope</b></html>", "400 nope"),
    (400, b"\xff\x00\x1b[31mred\n\nlines", "lines"),
    (400, b"", "400"),
    (400, b"[" * 100_000, "400 ["),
    (400, b'[{"message": ' * 400 + b'"deep"' + b"}]" * 400, "400"),
]


@pytest.mark.parametrize(("status", "body", "words"), REFUSALS)
def test_a_no_is_told_in_the_servers_own_words(status, body, words):
    with stand_in(lambda asked: Says(status, body)) as server:
        answer = send(server.url)
    assert isinstance(answer, Refused)
    assert answer.status == status
    assert words in answer.words
    assert answer.words.isprintable()


WAITS = [
    (500, {}, 0),
    (503, {"Retry-After": "7"}, 7),
    (429, {"Retry-After": "60"}, 60),
    (429, {"Retry-After": "Wed, 25 Nov 2026 12:01:30 GMT", "Date": DATE}, 90),
    (429, {"Retry-After": "soon", "Date": DATE}, 0),
    (403, {"Retry-After": "5"}, 5),
    (
        403,
        {"X-RateLimit-Remaining": "0", "X-RateLimit-Reset": "1795608030", "Date": DATE},
        30,
    ),
    (403, {"X-RateLimit-Remaining": "0"}, 0),
    (403, {"X-RateLimit-Remaining": "0", "X-RateLimit-Reset": "nan", "Date": DATE}, 0),
    (429, {"Retry-After": "31536000"}, 3600),
    (429, {"Retry-After": "9" * 400}, 3600),
    (429, {"Retry-After": "\u00b2"}, 0),
    (429, {"Retry-After": "-5", "Date": DATE}, 0),
    (503, {"Retry-After": "Mon, 01 Jan 0001 00:00:00 -0000", "Date": DATE}, 0),
]


@pytest.mark.parametrize(("status", "headers", "seconds"), WAITS)
def test_a_server_in_trouble_or_tired_of_us_is_waited_for(status, headers, seconds):
    """By its own clock, when it names a moment."""

    def answer(_asked):
        return Says(status, b'{"message": "slow down"}', headers)

    with stand_in(answer) as server:
        # http.server writes a Date of its own before ours: the last one counts.
        found = send(server.url)
    assert isinstance(found, Unreachable)
    assert "slow down" in found.words
    assert found.retry_after == seconds


def test_a_secret_that_the_server_repeats_is_not_shown():
    def answer(asked):
        return Says(401, f"you said {asked.headers['authorization']}".encode())

    with stand_in(answer) as server:
        found = send(server.url)
    assert "you said ***" in found.words
    assert SECRET not in repr(found)
    assert SECRET not in repr(Request("GET", server.url, ASK))


def test_words_of_others_are_short():
    with stand_in(lambda asked: Says(400, b"x" * 100_000)) as server:
        assert len(send(server.url).words) < 400


def test_an_answer_without_end_is_not_read_to_its_end():
    with stand_in(lambda asked: Says(200, b"x" * (MOST_BYTES + 2))) as server:
        found = send(server.url)
    assert isinstance(found, Refused)
    assert "longer than" in found.words


@pytest.mark.parametrize("status", [301, 307, 308])
@pytest.mark.parametrize("method", ["GET", "POST", "PATCH"])
def test_a_repository_that_was_renamed_is_found_on_the_same_server(status, method):
    """The same request again, token and body and all."""

    def answer(asked):
        return Says(status, b"", {"Location": "/new"}) if asked.path == "/old" else Says()

    content = None if method == "GET" else {"a": 1}
    with stand_in(answer) as server:
        assert isinstance(send(f"{server.url}/old", method, content=content), Response)
    old, new = server.asked
    assert (new.method, new.path, new.body) == (method, "/new", old.body)
    assert new.headers["authorization"] == f"Bearer {SECRET}"


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_no_token_goes_to_where_the_server_points(status):
    with (
        stand_in(lambda asked: Says()) as stranger,
        stand_in(lambda asked: Says(status, b"", {"Location": f"{stranger.url}/x"})) as server,
    ):
        answer = send(server.url)
    assert isinstance(answer, Refused)
    assert "not followed" in answer.words
    assert not stranger.asked


def test_a_redirect_to_itself_ends():
    with stand_in(lambda asked: Says(307, b"", {"Location": "/again"})) as server:
        assert isinstance(send(server.url), Refused)
    assert len(server.asked) < 10


def test_nobody_there_is_unreachable():
    port = free_port()
    found = send(f"http://127.0.0.1:{port}/hook/secret-path")
    assert isinstance(found, Unreachable)
    assert f"127.0.0.1:{port}" in found.words
    assert "secret-path" not in found.words


@pytest.mark.parametrize("url", ["file:///etc/passwd", "ftp://127.0.0.1/", "x", "http://"])
def test_only_http_is_spoken(url):
    assert isinstance(send(url), Refused | Unreachable)


def test_a_token_that_is_no_header_is_not_sent_and_not_shown():
    request = Request("GET", "http://127.0.0.1:9/", {"Authorization": f"{SECRET}\nX: y"})
    found = HttpClient().send(request)
    assert isinstance(found, Refused)
    assert SECRET not in repr(found)


def test_silence_has_an_end_and_hanging_requests_do_not_pile_up():
    with listener() as silent:
        client = HttpClient(seconds=0.3)
        url = f"http://127.0.0.1:{silent.getsockname()[1]}/"
        assert "no answer within" in client.send(Request("GET", url)).words
        before = threading.active_count()
        for _ in range(5):
            assert isinstance(client.send(Request("GET", url)), Unreachable)
        assert threading.active_count() <= before + 1


def the_next_is_answered(client: HttpClient) -> None:
    """Sooner or later: this machine may be too busy to answer in half a second."""
    with stand_in(lambda asked: Says()) as healthy:
        request = Request("GET", healthy.url)
        until(lambda: isinstance(client.send(request), Response), "the next answer")


@pytest.mark.parametrize(
    "begin", [b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n", b"HTTP/1.1 200 OK\r\nX: "]
)
def test_a_line_that_drips_has_an_end(begin):
    """Each byte comes in time; all of them together do not. The next request is free to go."""
    stop = threading.Event()

    def drip(listening):
        connection, _ = listening.accept()
        with closing(connection):
            connection.sendall(begin)
            with suppress(OSError):
                while not stop.wait(0.05):
                    connection.sendall(b"x")

    with listener() as server:
        dripping = threading.Thread(target=drip, args=(server,), daemon=True)
        dripping.start()
        client = HttpClient(seconds=0.5)
        request = Request("GET", f"http://127.0.0.1:{server.getsockname()[1]}/")
        assert "no answer within 0.5 s" in client.send(request).words
        the_next_is_answered(client)
        stop.set()
        dripping.join()


@pytest.mark.parametrize("scheme", ["http", "https"])
def test_a_hello_or_a_head_that_drips_has_an_end(scheme):
    """TLS takes the socket before a byte of HTTP; its thread ends all the same."""
    begin = b"\x16\x03\x03\x40\x00\x02" if scheme == "https" else b"HTTP/1.1 2"
    stop = threading.Event()

    def drip(listening):
        connection, _ = listening.accept()
        with closing(connection), suppress(OSError):
            connection.sendall(begin)
            while not stop.wait(0.05):
                connection.sendall(b"0")

    with listener() as server:
        dripping = threading.Thread(target=drip, args=(server,), daemon=True)
        dripping.start()
        client = HttpClient(seconds=0.5)
        request = Request("GET", f"{scheme}://127.0.0.1:{server.getsockname()[1]}/")
        assert "no answer within 0.5 s" in client.send(request).words
        the_next_is_answered(client)
        stop.set()
        dripping.join()


@pytest.fixture(scope="module")
def certificate(tmp_path_factory):
    """A key and a certificate for 127.0.0.1, in one file."""
    path = tmp_path_factory.mktemp("tls") / "both.pem"
    words = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"]
    words += ["-nodes", "-keyout", str(path), "-out", f"{path}.crt", "-days", "2"]
    run(*words, "-subj", "/CN=127.0.0.1", "-addext", "subjectAltName=IP:127.0.0.1")
    path.write_bytes(path.read_bytes() + path.with_name("both.pem.crt").read_bytes())
    return path


def test_https_believes_those_it_is_told_to(certificate):
    with stand_in(lambda asked: Says(), certificate=certificate) as server:
        trusting = HttpClient(ca_file=certificate.with_name("both.pem.crt"))
        assert isinstance(trusting.send(Request("GET", server.url)), Response)
        stranger = HttpClient().send(Request("GET", server.url))
    assert isinstance(stranger, Unreachable)
    assert "certificate" in stranger.words.lower()


def test_a_bundle_of_the_environment_counts(certificate, monkeypatch):
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate.with_name("both.pem.crt")))
    with stand_in(lambda asked: Says(), certificate=certificate) as server:
        assert isinstance(HttpClient().send(Request("GET", server.url)), Response)


def test_a_bundle_that_is_not_there_is_told(certificate):
    with stand_in(lambda asked: Says(), certificate=certificate) as server:
        found = HttpClient(ca_file=certificate.with_name("none")).send(Request("GET", server.url))
    assert isinstance(found, Unreachable)


def test_the_proxy_of_the_environment_is_asked(monkeypatch):
    """And not for what no_proxy names."""
    with stand_in(lambda asked: Says(200, b'{"proxy": true}')) as proxy:
        monkeypatch.setenv("http_proxy", proxy.url)
        monkeypatch.delenv("no_proxy", raising=False)
        assert send("http://forge.example.com/api").json() == {"proxy": True}
        assert proxy.asked[0].path == "http://forge.example.com/api"
        with stand_in(lambda asked: Says()) as direct:
            monkeypatch.setenv("no_proxy", "127.0.0.1")
            assert send(direct.url).json() == {}
    assert len(proxy.asked) == 1
