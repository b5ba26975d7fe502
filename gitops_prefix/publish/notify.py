"""A notice after a push: a webhook of Flux, of Argo CD, any with an HMAC, or a chat.

Only the secret's file is read here. A notifier builds one request; the caller decides how
often to send it. A notifier that needs more than one request implements `Notifier`.
"""

import hashlib
import hmac
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol
from urllib.parse import urlsplit

from gitops_prefix.errors import InputError, Problem
from gitops_prefix.publish.credentials import local_path
from gitops_prefix.publish.forge.known import commit_page, project_of
from gitops_prefix.publish.http import Failure, Refused, Request, Response, Send
from gitops_prefix.publish.scrub import scrub

CHATS = ("slack", "discord", "ntfy", "apprise")
"""For people. The URL is the secret; nothing is signed."""
KINDS = ("flux", "argocd", "hmac", *CHATS)
SIGNATURE = "X-Signature"
_DISCORD_LONGEST = 2000
Secret = Callable[[], bytes]
"""Returns the secret; called for each use."""


@dataclass(frozen=True, slots=True)
class Notice:
    """A change of the branch.

    Attributes:
        url: the remote.
        before: the branch's commit before the push.
        after: our commit.
        paths: the files that differ.
        subject: of our commit.
    """

    url: str
    branch: str
    before: str
    after: str
    paths: Sequence[str] = ()
    subject: str = ""


class Notifier(Protocol):
    """Receives notices."""

    @property
    def name(self) -> str:
        """For logs: without secrets; a URL's path may be a secret."""
        ...

    def notify(self, notice: Notice) -> Failure | None:
        """Send a notice within a few seconds; return the failure, if any."""
        ...


@dataclass(frozen=True, slots=True)
class Webhook:
    """A URL that takes a signed POST.

    Attributes:
        kind: one of KINDS.
        secret: signs the body; None for no signature, as Argo CD accepts it. A chat gets none.
        header: carries the signature of kind `hmac`.
    """

    kind: str
    url: str
    send: Send
    secret: Secret | None
    header: str = SIGNATURE

    @property
    def name(self) -> str:
        """Kind and host."""
        return f"{self.kind} at {urlsplit(self.url).netloc.rpartition('@')[2]}"

    def notify(self, notice: Notice) -> Failure | None:
        """Send one POST."""
        if self.kind in CHATS:
            answer = self.send(chat_request(self.kind, self.url, notice))
            return None if isinstance(answer, Response) else answer
        try:
            secret = self.secret() if self.secret else None
        except InputError as error:
            return Refused(str(error))
        answer = self.send(build(self, notice, secret))
        return None if isinstance(answer, Response) else answer


def build(hook: Webhook, notice: Notice, secret: bytes | None) -> Request:
    """Return the request; the signature covers the body's exact bytes.

    Flux: notification-controller's Receiver `generic-hmac` takes `X-Signature:
    sha256=HEX`, for any body. Argo CD reads GitHub's push event at
    /api/webhook, with `X-Hub-Signature-256` when it has a `webhook.github.secret`.
    """
    argocd = hook.kind == "argocd"
    body = json.dumps(push_event(notice) if argocd else _plain(notice)).encode()
    headers = {"X-GitHub-Event": "push"} if argocd else {}
    if secret is not None:
        signature = hmac.new(secret, body, hashlib.sha256).hexdigest()
        name = "X-Hub-Signature-256" if argocd else hook.header
        headers[name] = f"sha256={signature}"
    return Request("POST", hook.url, headers, body)


def chat_request(kind: str, url: str, notice: Notice) -> Request:
    """Return what a chat takes (docs/chat.md has the sources).

    Nothing in a name of the repository can mention anybody or make a link.
    """
    page = commit_page(notice.url, notice.after)
    count = len(notice.paths)
    files = f"{count} file{'' if count == 1 else 's'} on {notice.branch}"
    subject = notice.subject or f"{notice.branch} is at {notice.after[:12]}"
    plain = "\n".join(filter(None, (subject, files, page or notice.after[:12])))
    if kind == "slack":
        # api.slack.com/reference/surfaces/formatting: three characters are escaped.
        text = plain.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
        return Request("POST", url, {}, {"text": text})
    if kind == "discord":
        content = {"content": plain[:_DISCORD_LONGEST], "allowed_mentions": {"parse": []}}
        return Request("POST", url, {}, content)
    if kind == "ntfy":
        headers = {"Title": "gitops-prefix", **({"Click": page} if page else {})}
        headers["Content-Type"] = "text/plain; charset=utf-8"
        return Request("POST", url, headers, plain.encode(errors="replace"))
    body = {"title": "gitops-prefix", "body": plain, "type": "info", "format": "text"}
    return Request("POST", url, {}, body)


def push_event(notice: Notice) -> dict[str, object]:
    """The parts of GitHub's push event that Argo CD reads: repository, branch, commits, files.

    It compares `html_url` with the Application's repoURL, in any protocol, with or without
    `.git`. If no file is named, it refreshes every Application of the repository.
    """
    commit = {"id": notice.after, "added": [], "removed": [], "modified": list(notice.paths)}
    return {
        "ref": f"refs/heads/{notice.branch}",
        "before": notice.before,
        "after": notice.after,
        # An Application may follow HEAD, which Argo CD compares with the default branch. We do
        # not know the default branch; a needless refresh does no harm.
        "repository": {"html_url": _web_url(notice.url), "default_branch": notice.branch},
        "commits": [commit] if notice.paths else [],
    }


def _plain(notice: Notice) -> dict[str, object]:
    return {
        "repository": _web_url(notice.url),
        "branch": notice.branch,
        "before": notice.before,
        "after": notice.after,
        "paths": list(notice.paths),
    }


def _web_url(url: str) -> str:
    if local_path(url) is not None:
        return url
    try:
        place = project_of(url)
    except InputError:
        # A repository at the root of its server belongs to no forge; its URL is sent as it is.
        return scrub(url)
    return f"{place.origin}/{place.project}"


def check_webhook(kind: str, url: str, *, signed: bool) -> None:
    """Check the options of a webhook.

    Raises:
        InputError: an unknown kind, no valid URL, or a missing secret.
    """
    if kind not in KINDS:
        message = (
            f'--notify "{kind}=…" is unknown: write KIND=URL, with KIND one of {", ".join(KINDS)}'
        )
        raise InputError(Problem("invalid-notify", message))
    try:
        parts = urlsplit(url)
        valid = parts.scheme in {"http", "https"} and bool(parts.hostname)
        _ = parts.port
    except ValueError:
        valid = False
    if not valid:
        message = f"--notify {kind}=… holds no http or https URL: write KIND=URL"
        raise InputError(Problem("invalid-notify", message))
    if kind not in {"argocd", *CHATS} and not signed:
        message = f"--notify {kind}=… must be signed: give --notify-secret-file"
        raise InputError(Problem("no-notify-secret", message))
