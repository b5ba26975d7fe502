"""The options that say how commits are worded; `run` and `template` share them."""

from pathlib import Path

import click

from gitops_prefix.cli.option_group import option_group
from gitops_prefix.cli.options import file_option, option
from gitops_prefix.errors import InputError, Problem
from gitops_prefix.publish.message_template import MessageTemplate, TemplateError
from gitops_prefix.publish.trailers import Trailer, parse_trailer
from gitops_prefix.publish.wording import Wording


class Line(click.types.StringParamType):
    """A text with blanks in it: in a variable, each line is one."""

    envvar_list_splitter = "\n"


def make_wording(
    *, message_template: Path | None, trailers: tuple[str, ...], skip_ci: bool
) -> Wording:
    """What the options come to.

    Raises:
        InputError: a trailer that is none, or a template that cannot be read.
    """
    template = read_template(message_template) if message_template is not None else None
    return Wording(template, tuple(_trailer(text) for text in trailers if text), skip_ci)


def read_template(path: Path) -> MessageTemplate:
    """The template in a file.

    Raises:
        InputError: it cannot be read, or is none.
    """
    try:
        return MessageTemplate(path.read_text(encoding="utf-8"), str(path))
    except OSError as error:
        message = f"--message-template {path}: {error.strerror}"
        raise InputError(Problem("unreadable", message)) from error
    except UnicodeDecodeError as error:
        message = f"--message-template {path} is not UTF-8: save it so"
        raise InputError(Problem("unreadable", message)) from error
    except TemplateError as error:
        raise InputError(error.problem) from error


def _trailer(text: str) -> Trailer:
    try:
        return parse_trailer(text)
    except ValueError as error:
        raise InputError(Problem("invalid-trailer", f"--trailer {error}")) from error


message_options = option_group(
    "wording",
    make_wording,
    file_option("--message-template", "Words the commits (docs/messages.md)."),
    option(
        "--trailer",
        "trailers",
        type=Line(),
        multiple=True,
        metavar="LINE",
        help='A trailer more for each commit, as in "Signed-off-by: Bot <bot@example.com>". '
        "May be repeated; in the variable, a line each.",
    ),
    option("--skip-ci", is_flag=True, help='Write "[skip ci]" into the subject.'),
)
