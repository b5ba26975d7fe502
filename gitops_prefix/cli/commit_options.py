"""The options that say what a commit of ours looks like."""

from dataclasses import dataclass
from pathlib import Path

from gitops_prefix.cli.option_group import option_group
from gitops_prefix.cli.options import OneOf, file_option, option
from gitops_prefix.errors import InputError, Problem
from gitops_prefix.publish.fast_import import Identity
from gitops_prefix.publish.signing import Signing, SigningFormat, signing_by


@dataclass(frozen=True, slots=True)
class CommitStyle:
    """Who makes the commits, and signs them."""

    author: Identity
    committer: Identity
    signing: Signing | None


def make_commit_style(  # noqa: PLR0913  one parameter an option
    *,
    author_name: str,
    author_email: str,
    committer_name: str | None,
    committer_email: str | None,
    signing_key: Path | None,
    signing_format: str | None,
    signing_passphrase_file: Path | None,
) -> CommitStyle:
    """What the options come to; the committer is the author where nothing else is said.

    Raises:
        InputError: a name or an address that git could not write, or a key that cannot be read.
    """
    committer_name = author_name if committer_name is None else committer_name
    committer_email = author_email if committer_email is None else committer_email
    return CommitStyle(
        _identity("author", author_name, author_email),
        _identity("committer", committer_name, committer_email),
        _signing(signing_key, signing_format, signing_passphrase_file),
    )


def _signing(key: Path | None, form: str | None, passphrase_file: Path | None) -> Signing | None:
    if key is not None:
        return signing_by(key, SigningFormat(form) if form else None, passphrase_file)
    if form or passphrase_file:
        message = "--signing-format and --signing-passphrase-file are of a key: give --signing-key"
        raise InputError(Problem("no-signing-key", message))
    return None


def _identity(who: str, name: str, email: str) -> Identity:
    for part, text in (("name", name), ("email", email)):
        # git-fast-import(1): neither "<", ">" nor a line's end; git-commit refuses no name.
        if not text.strip() or not text.isprintable() or set(text) & set("<>"):
            message = (
                f'--{who}-{part} {text!r} cannot stand in a commit: write "Ada Lovelace" or '
                '"ada@example.com", for example, without <, > and line ends'
            )
            raise InputError(Problem("invalid-identity", message))
    return Identity(name, email)


commit_options = option_group(
    "style",
    make_commit_style,
    option("--author-name", default=Identity().name, show_default=True, help="Of the commits."),
    option("--author-email", default=Identity().email, show_default=True, help="Of the commits."),
    option("--committer-name", metavar="NAME", help="Of the commits. [default: the author's]"),
    option("--committer-email", metavar="EMAIL", help="Of the commits. [default: the author's]"),
    file_option("--signing-key", "Private key of ssh or gpg that signs the commits."),
    option(
        "--signing-format",
        type=OneOf([form.value for form in SigningFormat]),
        help="What the key is. [default: as its file says]",
    ),
    file_option("--signing-passphrase-file", "Opens the key of gpg."),
)
