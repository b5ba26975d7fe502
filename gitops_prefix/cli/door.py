"""The one door where errors become messages and exit codes.

What is raised below is caught here and nowhere else: `InputError` is the caller's
fault, `OutsideError` is that of git, the network or the cluster, and anything else is a bug.
"""

import errno
import os
import sys
from pathlib import Path

import click

from gitops_prefix.cli.commands import CONFIG_FILE, cli, read_config
from gitops_prefix.cli.output import (
    BAD_INPUT,
    DONE,
    INTERRUPTED,
    OUTSIDE_FAILED,
    Format,
    colour_wish,
    drop_the_rest,
    outlive_readers,
    print_errors,
)
from gitops_prefix.errors import InputError, OutsideError, Problem

_STREAMS = frozenset({errno.EPIPE, errno.ENOSPC, errno.EIO, errno.EBADF, errno.EDQUOT, errno.EFBIG})
"""What a write of the answer may fail with."""
_SHORTAGES = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.EAGAIN, errno.ENOBUFS})
"""Of descriptors, memory or processes: this machine's, and no bug."""

_NO_TEMPORARY = "No usable temporary directory"
"""How tempfile begins (gettempdir), where each directory that it tries is read-only."""

_CLOSED = frozenset({errno.EACCES, errno.EPERM, errno.ENAMETOOLONG, errno.ENOTDIR, errno.ELOOP})
"""What the system says of a path that somebody named and that cannot be used."""


def enter(arguments: list[str] | None = None) -> int:
    """Run the command line on `arguments` (default: the process's own).

    Returns:
        The exit code.
    """
    try:
        return _run(arguments)
    except BrokenPipeError:
        drop_the_rest(sys.stdout)
        return DONE
    except OSError as error:
        drop_the_rest(sys.stdout)
        try:
            click.echo(f"error: cannot write the answer: {error.strerror} [outside]", err=True)
        except OSError:
            drop_the_rest(sys.stderr)
        return OUTSIDE_FAILED


def _run(arguments: list[str] | None) -> int:  # noqa: PLR0911  one return a kind of error
    try:
        code = cli.main(
            args=arguments, prog_name="gitops-prefix", standalone_mode=False, color=colour_wish()
        )
    except click.ClickException as error:
        _show_usage(error, _format_asked_for(arguments))
        return BAD_INPUT
    except (click.Abort, KeyboardInterrupt):
        return INTERRUPTED
    except SystemExit as left:
        # click leaves with 1 when nobody reads on: `gitops-prefix … | head`.
        return DONE if left.code == 1 else int(left.code or DONE)
    except InputError as error:
        print_errors(error.problems, _format_asked_for(arguments))
        return BAD_INPUT
    except OutsideError as error:
        print_errors((Problem("outside", str(error)),), _format_asked_for(arguments))
        return OUTSIDE_FAILED
    except Exception as error:
        # The last resort, so that nobody sees a traceback. A stream has no name.
        if isinstance(error, OSError) and error.filename is None and error.errno in _STREAMS:
            raise
        return _report_last(error, _format_asked_for(arguments))
    return code if isinstance(code, int) else DONE


def _format_asked_for(arguments: list[str] | None) -> Format:
    """How errors go out: `--output` counts wherever the command failed.

    Flag, environment, file, as for every option; what is no format is text.
    """
    words = sys.argv[1:] if arguments is None else arguments
    asked = _last(words, "--output") or os.environ.get("GITOPS_PREFIX_OUTPUT") or _configured(words)
    return next((form for form in Format if form == asked), Format.TEXT)


def _last(words: list[str], name: str) -> str | None:
    """The last value that an option is given, which is the one that click takes."""
    for index in range(len(words) - 1, -1, -1):
        if words[index].startswith(f"{name}="):
            return words[index].removeprefix(f"{name}=")
        if words[index] == name and words[index + 1 :]:
            return words[index + 1]
    return None


def _configured(words: list[str]) -> object:
    path = _last(words, "--config") or os.environ.get("GITOPS_PREFIX_CONFIG") or CONFIG_FILE
    try:
        return read_config(Path(path)).content.get("output")
    except InputError:
        return None


def _show_usage(error: click.ClickException, form: Format) -> None:
    """A reader gets the way to --help, a program what it can read."""
    outlive_readers()
    if form is Format.TEXT or isinstance(error, click.exceptions.NoArgsIsHelpError):
        error.show()
    else:
        print_errors((Problem("usage", error.format_message()),), form)


def _report_last(error: Exception, form: Format) -> int:
    if isinstance(error, FileNotFoundError) and _directory_is_gone():
        message = "the current directory is gone: change to one that is there"
        print_errors((Problem("invalid-path", message),), form)
        return BAD_INPUT
    if isinstance(error, FileNotFoundError) and _NO_TEMPORARY in (error.strerror or ""):
        message = (
            "no directory for temporary files can be written (/tmp may be read-only, or full): "
            "mount one at /tmp, or set TMPDIR"
        )
        print_errors((Problem("outside", message),), form)
        return OUTSIDE_FAILED
    if isinstance(error, OSError) and error.errno in _SHORTAGES:
        print_errors((Problem("outside", f"this machine: {error.strerror}"),), form)
        return OUTSIDE_FAILED
    if isinstance(error, OSError) and error.errno in _CLOSED and error.filename is not None:
        message = f"{os.fsdecode(error.filename)}: {error.strerror}: name one that you may use"
        print_errors((Problem("unreadable", message),), form)
        return BAD_INPUT
    return _report_bug(error, form)


def _directory_is_gone() -> bool:
    """Whether the current directory was removed: it is still there for stat(2), without a path."""
    try:
        Path.cwd()
    except FileNotFoundError:
        return True
    return False


def _report_bug(error: Exception, form: Format) -> int:
    if os.environ.get("GITOPS_PREFIX_DEBUG"):
        import traceback  # noqa: PLC0415  the last thing that a process does

        traceback.print_exc()
    message = (
        f"internal error: {type(error).__name__}: {error}. "
        "This is a bug: please report it with what GITOPS_PREFIX_DEBUG=1 prints"
    )
    print_errors((Problem("internal", message),), form)
    return OUTSIDE_FAILED
