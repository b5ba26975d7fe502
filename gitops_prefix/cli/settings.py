"""The options of `run`, each declared once; `rules` checks them and `assembly` uses them.

A section is a heading of `run --help`. Other commands take single sections.
"""
# ruff: noqa: RUF009  the calls declare fields, as dataclasses.field does

import os
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import ClassVar

import click

from gitops_prefix.apply.child import ClusterAccess
from gitops_prefix.apply.ownership import KINDS as RECONCILERS
from gitops_prefix.apply.ownership import Reconciled, parse_reconciled
from gitops_prefix.apply.policy import ApplyMode
from gitops_prefix.cli.options import (
    Chart,
    Line,
    OneOf,
    Parsed,
    choice,
    complete_link,
    duration,
    file,
    flag,
    several,
    text,
)
from gitops_prefix.errors import InputError, Problem
from gitops_prefix.publish.commit_maker import Identity
from gitops_prefix.publish.forge import MergeMethod
from gitops_prefix.publish.forge.known import AUTO, KINDS
from gitops_prefix.publish.message import MessageTemplate, TemplateError, Wording, parse_trailer
from gitops_prefix.publish.notify import KINDS as NOTIFIED
from gitops_prefix.publish.notify import SIGNATURE
from gitops_prefix.publish.signing import SigningFormat

TOKEN_VARIABLE = "GITOPS_PREFIX_TOKEN"  # noqa: S105  its name
FORGE_TOKEN_VARIABLE = "GITOPS_PREFIX_FORGE_TOKEN"  # noqa: S105  its name
SECRET_VARIABLE = "GITOPS_PREFIX_NOTIFY_SECRET"  # noqa: S105  its name
"""These hold a secret where no file does. No option does: everybody may read a command line."""
PUSH_BRANCH = "gitops-prefix/{name}"
"""Where `--pull-request` pushes without `--push-branch`."""

_NOT_IN_A_POD = Chart(None)


def _value(path: str, *, when: str | None = None) -> Chart:
    """A value of the chart as it is; set when it is not empty, or under another condition."""
    return Chart(f"{{{{ {path} | quote }}}}", path if when is None else when)


def _mounted(directory: str, key: str, when: str) -> Chart:
    """A file of a mounted secret or ConfigMap."""
    return Chart(f'{{{{ printf "/etc/gitops-prefix/{directory}/%s" {key} }}}}', when)


_WEBHOOK_TLS = "and (.Values.webhook).enabled ((.Values.webhook).tls).existingSecret"


def _auth(method: str) -> str:
    return f'eq .Values.auth.method "{method}"'


@dataclass(frozen=True, slots=True, kw_only=True)
class RepositorySettings:
    """Which branch of which repository."""

    TITLE: ClassVar[str] = "Repository"
    repo: str = text(
        required=True,
        value="",
        metavar="URL",
        help="The repository: an https or ssh URL, or a path.",
        chart=_value(".Values.repo", when=""),
    )
    branch: str = text(
        "main", help="The branch to keep true.", chart=_value(".Values.branch", when="")
    )
    path: str = text(
        "",
        metavar="SUBDIR",
        help="Read only files below this directory.",
        chart=_value(".Values.path"),
    )
    exclude: tuple[str, ...] = several(
        metavar="PATTERN", help="Do not read these files (gitignore syntax)."
    )
    clone_dir: Path | None = text(
        type=click.Path(file_okay=False, readable=False, path_type=Path),
        metavar="DIR",
        help="Where the bare clone lives. [default: below $XDG_STATE_HOME]",
        chart=Chart("/var/lib/gitops-prefix/clone"),
    )
    push_timeout: timedelta = duration(
        "120s",
        help="How long a push may take, with the hooks of the server: 10s to 10m.",
        see="git.md",
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class PaceSettings:
    """Which link is watched, and when the daemon does something."""

    TITLE: ClassVar[str] = "Watching"
    interface: str = text(
        "",
        metavar="NAME",
        help="Watch this link instead of those that the DynamicPrefixes name.",
        shell_complete=complete_link,
        chart=_value(".Values.interface"),
    )
    source_dir: Path | None = text(
        type=click.Path(file_okay=False, readable=False, path_type=Path),
        metavar="DIR",
        help="Read the files that DynamicPrefixes name only below this directory. Without it, no "
        "file is read.",
        see="sources.md",
    )
    listen: str = text(
        "",
        metavar="[HOST]:PORT",
        help="Serve probes, metrics and a page at this address. Without HOST: at all of them.",
        see="monitoring.md",
        chart=Chart(
            '{{ printf "%s:%d" (include "gitops-prefix.httpAddress" . | '
            'include "gitops-prefix.bracketed") (int .Values.http.port) | quote }}'
        ),
    )
    listen_token_file: Path | None = file(
        help="A file that holds a token; whoever asks at --listen must give it. Probes need none.",
        see="security.md",
        chart=_mounted("listen", ".Values.http.tokenKey", "(.Values.http).existingSecret"),
    )
    once: bool = flag(
        help="Publish what the links say now, then exit.", see="once.md", chart=_NOT_IN_A_POD
    )
    wait: timedelta = duration("10s", help="How long --once listens at most.", chart=_NOT_IN_A_POD)
    settle: timedelta = duration("0.2s", help="Changes within this time become one commit.")
    interval: timedelta = duration(
        "5m", help="How often the branch is read when nothing else happens."
    )
    dry_run: bool = flag(
        help="Publish and apply nothing. The log and the page show what would be done.",
        see="once.md",
    )
    verbose: bool = flag(help="Log more.")


@dataclass(frozen=True, slots=True, kw_only=True)
class UpdateSettings:
    """How a router sends its prefix over HTTP."""

    TITLE: ClassVar[str] = "Updates over HTTP (docs/webhook.md)"
    webhook_credentials: Path | None = file(
        help="A file with lines USER:PASSWORD: who may send a prefix to /update. Without it, "
        "nobody may.",
        chart=_mounted("webhook", ".Values.webhook.credentialsKey", "(.Values.webhook).enabled"),
    )
    webhook_listen: str = text(
        "",
        metavar="[HOST]:PORT",
        help="Take updates at this address, and nothing else there. [default: at --listen]",
        chart=Chart(
            '{{ printf "%s:%d" (include "gitops-prefix.bracketed" .Values.webhook.host) '
            "(int .Values.webhook.port) | quote }}",
            "(.Values.webhook).enabled",
        ),
    )
    webhook_cert: Path | None = file(
        help="Certificates for TLS at --webhook-listen. A file that is replaced counts at once.",
        chart=Chart("/etc/gitops-prefix/webhook-tls/tls.crt", _WEBHOOK_TLS),
    )
    webhook_key: Path | None = file(
        help="The private key of --webhook-cert.",
        chart=Chart("/etc/gitops-prefix/webhook-tls/tls.key", _WEBHOOK_TLS),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class CredentialSettings:
    """How the remote knows us, and whom we believe there."""

    TITLE: ClassVar[str] = "Credentials (docs/auth.md)"
    ssh_key: Path | None = file(
        help="Private key for ssh. Needs --known-hosts.",
        chart=_mounted("ssh", ".Values.auth.ssh.privateKeyKey", _auth("ssh")),
    )
    known_hosts: Path | None = file(
        help="Host keys that are trusted for ssh.",
        chart=Chart(
            "{{ if .Values.auth.ssh.knownHosts }}/etc/gitops-prefix/config/known_hosts{{ else }}"
            "/etc/gitops-prefix/ssh/{{ .Values.auth.ssh.knownHostsKey }}{{ end }}",
            _auth("ssh"),
        ),
    )
    token_file: Path | None = file(
        help=f"A file that holds the token for https. [or the variable {TOKEN_VARIABLE}]",
        chart=_mounted("token", ".Values.auth.token.tokenKey", _auth("token")),
    )
    username: str = text(
        "x-access-token",
        help="The user name sent with the token.",
        chart=_value(".Values.auth.token.username", when=_auth("token")),
    )
    github_app_id: str = text(
        value="",
        metavar="ID",
        help="A GitHub App instead of a token.",
        chart=Chart(
            '{{ include "gitops-prefix.id" .Values.auth.githubApp.id }}', _auth("githubApp")
        ),
    )
    github_app_installation_id: str = text(
        value="",
        metavar="ID",
        help="The App's installation. [default: the one for --repo]",
        chart=Chart(
            '{{ include "gitops-prefix.id" .Values.auth.githubApp.installationId }}',
            f"and ({_auth('githubApp')}) .Values.auth.githubApp.installationId",
        ),
    )
    github_app_key_file: Path | None = file(
        help="The App's private key.",
        chart=_mounted("github-app", ".Values.auth.githubApp.privateKeyKey", _auth("githubApp")),
    )
    ca_file: Path | None = file(
        help="Certificate authorities in PEM that are trusted for https, instead of the machine's.",
        chart=_mounted("ca", ".Values.ca.key", "(.Values.ca).existingConfigMap"),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class CommitSettings:
    """Who makes the commits, and who signs them."""

    TITLE: ClassVar[str] = "Commits"
    author_name: str = text(Identity().name, help="The author's name.")
    author_email: str = text(Identity().email, help="The author's address.")
    committer_name: str | None = text(
        metavar="NAME", help="The committer's name. [default: the author's]"
    )
    committer_email: str | None = text(
        metavar="EMAIL", help="The committer's address. [default: the author's]"
    )
    signing_key: Path | None = file(
        help="Private key of ssh or gpg that signs the commits.",
        see="auth.md",
        chart=_mounted(
            "signing", ".Values.signing.privateKeyKey", "(.Values.signing).existingSecret"
        ),
    )
    signing_format: SigningFormat | None = choice(
        SigningFormat, help="The kind of the signing key. [default: what the file says]"
    )
    signing_passphrase_file: Path | None = file(
        help="A file that holds the passphrase of a gpg key.",
        chart=_mounted(
            "signing",
            ".Values.signing.passphraseKey",
            "and (.Values.signing).existingSecret .Values.signing.passphraseKey",
        ),
    )
    require_signed_parent: Path | None = file(
        help="Build only on commits that verify by these keys: ssh's allowed signers, or public "
        "keys of gpg.",
        see="auth.md",
        chart=_mounted(
            "signing",
            ".Values.signing.signersKey",
            "and (.Values.signing).existingSecret .Values.signing.signersKey",
        ),
    )

    def author(self) -> Identity:
        """Return who wrote the commits."""
        return Identity(self.author_name, self.author_email)

    def committer(self) -> Identity:
        """Return who made the commits; each part is the author's by default."""
        name, email = self.committer_name, self.committer_email
        return Identity(
            self.author_name if name is None else name,
            self.author_email if email is None else email,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class MessageSettings:
    """How commits are worded."""

    TITLE: ClassVar[str] = "Commit messages (docs/messages.md)"
    message_template: Path | None = file(
        help="A template that words the commits.",
        chart=Chart("/etc/gitops-prefix/config/message", ".Values.messageTemplate"),
    )
    trailers: tuple[str, ...] = several(
        flag="--trailer",
        type=Line(),
        metavar="LINE",
        help='Add this trailer to each commit, as in "Signed-off-by: Bot <bot@example.com>". In '
        "the variable, each line is one.",
    )
    skip_ci: bool = flag(help='Write "[skip ci]" into the subject.')

    def wrong_trailers(self) -> Iterator[Problem]:
        """Trailers that git would not read as such, or that gitops-prefix writes itself."""
        for line in filter(None, self.trailers):
            try:
                parse_trailer(line)
            except ValueError as error:
                yield Problem("invalid-trailer", f"--trailer {error}")

    def wording(self) -> Wording:
        """Return how commits are worded.

        Raises:
            InputError: wrong trailers, or a template that cannot be read; with all of them.
        """
        problems = [*self.wrong_trailers()]
        path, template = self.message_template, None
        try:
            template = _read_template(path) if path is not None else None
        except InputError as error:
            problems += error.problems
        if problems:
            raise InputError(*problems)
        trailers = tuple(parse_trailer(line) for line in self.trailers if line)
        return Wording(template, trailers, self.skip_ci)


def _read_template(path: Path) -> MessageTemplate:
    try:
        return MessageTemplate(path.read_text(encoding="utf-8"), str(path))
    except OSError as error:
        message = f"--message-template {path}: {error.strerror}"
        raise InputError(Problem("unreadable", message)) from error
    except UnicodeDecodeError as error:
        message = f"--message-template {path} is not UTF-8: save it as UTF-8"
        raise InputError(Problem("unreadable", message)) from error
    except TemplateError as error:
        raise InputError(error.problem) from error


@dataclass(frozen=True, slots=True, kw_only=True)
class ProposalSettings:
    """Branches that others merge, and requests at a forge."""

    TITLE: ClassVar[str] = "Pull requests (docs/pull-requests.md)"
    push_branch: str | None = text(
        metavar="NAME",
        help="Push to this branch, for others to merge. {name} gives each DynamicPrefix its own "
        "branch.",
        chart=_value(".Values.pushBranch"),
    )
    pull_request: str = text(
        value="",
        type=OneOf([AUTO, *KINDS]),
        help=f"Open pull requests at this kind of forge. {AUTO} finds the kind by the host of "
        "--repo.",
        chart=Chart("{{ .Values.pullRequest.forge }}", "(.Values.pullRequest).forge"),
    )
    forge_url: str = text(
        value="",
        metavar="URL",
        help="The forge's API, when it is not at the usual address.",
        chart=_value(
            ".Values.pullRequest.url",
            when="and (.Values.pullRequest).forge .Values.pullRequest.url",
        ),
    )
    forge_token_file: Path | None = file(
        help="A file that holds the token for the forge's API. "
        f"[or the variable {FORGE_TOKEN_VARIABLE}, or git's token]",
        chart=_mounted(
            "forge",
            ".Values.pullRequest.tokenKey",
            "and (.Values.pullRequest).forge .Values.pullRequest.existingSecret",
        ),
    )
    auto_merge: MergeMethod | None = choice(
        MergeMethod,
        help="Ask the forge to merge the pull requests by itself, in this way.",
        chart=Chart(
            "{{ .Values.pullRequest.autoMerge }}",
            "and (.Values.pullRequest).forge .Values.pullRequest.autoMerge",
        ),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class NoticeSettings:
    """Who gets a notice of a push, and what is written to the cluster about it."""

    TITLE: ClassVar[str] = "Notices (docs/notify.md)"
    notify: tuple[str, ...] = several(
        metavar="KIND=URL",
        help=f"Send this webhook after a push ({', '.join(NOTIFIED)}).",
        chart=Chart('{{ join " " .Values.notify.hooks | quote }}', "(.Values.notify).hooks"),
    )
    notify_secret_file: tuple[Path, ...] = several(
        type=click.Path(dir_okay=False, path_type=Path),
        metavar="FILE",
        help="A file that holds the secret which signs the webhooks: one for all, or one for "
        f"each. [or the variable {SECRET_VARIABLE}]",
        chart=_mounted(
            "notify",
            ".Values.notify.secretKey",
            "and (.Values.notify).hooks .Values.notify.existingSecret",
        ),
    )
    notify_header: str = text(
        SIGNATURE, metavar="NAME", help="The header that carries the signature, for hmac."
    )
    request_reconcile: tuple[Reconciled, ...] = several(
        type=Parsed("kind:namespace/name", parse_reconciled),
        metavar="KIND:NAMESPACE/NAME",
        help=f"Ask the reconciler of this object to look after a push ({', '.join(RECONCILERS)}).",
        chart=Chart('{{ join " " .Values.requestReconcile | quote }}', ".Values.requestReconcile"),
    )
    events: bool = flag(
        help="Write Kubernetes Events about the changed objects.",
        chart=Chart('"true"', ".Values.events"),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class ClusterSettings:
    """Which cluster, for every command that talks to one."""

    TITLE: ClassVar[str] = "Cluster"
    kubeconfig: Path | None = file(
        help="The kubeconfig of the cluster. [default: the pod's account, or kubectl's]"
    )
    context: str = text("", metavar="NAME", help="A context of the kubeconfig.")

    def access(self) -> ClusterAccess:
        """Return how the cluster is reached.

        Raises:
            InputError: there is no such kubeconfig; the daemon would find out in an outage.
        """
        # Unlike Path.is_file, this never raises: a directory above may be closed to us.
        if self.kubeconfig is not None and not os.path.isfile(self.kubeconfig):  # noqa: PTH113
            message = f"--kubeconfig {self.kubeconfig}: there is no such file, or none for us"
            raise InputError(Problem("invalid-kubeconfig", message))
        return ClusterAccess(str(self.kubeconfig or ""), self.context)


@dataclass(frozen=True, slots=True, kw_only=True)
class ApplySettings:
    """Whether managed fields are written to the cluster directly."""

    TITLE: ClassVar[str] = "Direct apply (docs/direct-apply.md)"
    apply: ApplyMode = choice(
        ApplyMode,
        ApplyMode.NEVER,
        help="Write managed fields to the cluster directly.",
        chart=Chart("{{ .Values.apply.mode }}", 'ne .Values.apply.mode "never"'),
    )
    apply_after: timedelta = duration(
        "60s",
        help="How long Git must be away before direct apply overrides a reconciler.",
        chart=_value(".Values.apply.after", when='ne .Values.apply.mode "never"'),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class LeaseSettings:
    """Several daemons, of which one at a time publishes."""

    TITLE: ClassVar[str] = "Several daemons (docs/replicas.md)"
    leader_elect: bool = flag(
        help="Publish only while holding a Lease.",
        chart=Chart('"true"', ".Values.leaderElection.enabled"),
    )
    lease_name: str = text(
        "gitops-prefix",
        help="The Lease's name.",
        chart=Chart(
            '{{ include "gitops-prefix.leaseName" . | quote }}', ".Values.leaderElection.enabled"
        ),
    )
    lease_namespace: str = text("", help="The Lease's namespace. [default: the pod's own]")
    lease_duration: timedelta = duration(
        "15s", help="How long the other daemons wait for a silent leader."
    )
    renew_deadline: timedelta = duration(
        "10s", help="How long a leader keeps publishing without a renewal."
    )
    retry_period: timedelta = duration("2s", help="The time between two tries.")


@dataclass(frozen=True, slots=True, kw_only=True)
class RunSettings:
    """Every option of `run`."""

    repository: RepositorySettings = RepositorySettings()
    pace: PaceSettings = PaceSettings()
    updates: UpdateSettings = UpdateSettings()
    credentials: CredentialSettings = CredentialSettings()
    commits: CommitSettings = CommitSettings()
    messages: MessageSettings = MessageSettings()
    proposals: ProposalSettings = ProposalSettings()
    notices: NoticeSettings = NoticeSettings()
    cluster: ClusterSettings = ClusterSettings()
    direct: ApplySettings = ApplySettings()
    lease: LeaseSettings = LeaseSettings()
