"""The one door where errors become messages and exit codes (DESIGN 7).

What is raised below is caught here and nowhere else: `InputError` is the caller's
fault, `OutsideError` the world's, and anything else is ours.
"""

import os
import sys
import traceback

import click

from gitops_prefix.cli.commands import cli
from gitops_prefix.cli.exit_codes import BAD_INPUT, DONE, INTERRUPTED, OUTSIDE_FAILED
from gitops_prefix.cli.output import Format, print_errors
from gitops_prefix.errors import InputError, OutsideError, Problem


def enter(  # noqa: PLR0911  one return a kind of error
    arguments: list[str] | None = None,
) -> int:
    """Run the command line on `arguments` (default: the process's own).

    Returns:
        The exit code.
    """
    try:
        code = cli.main(args=arguments, prog_name="gitops-prefix", standalone_mode=False)
    except click.ClickException as error:
        error.show()
        return BAD_INPUT
    except (click.Abort, KeyboardInterrupt):
        return INTERRUPTED
    except InputError as error:
        print_errors(error.problems, _format_asked_for(arguments))
        return BAD_INPUT
    except OutsideError as error:
        print_errors((Problem("outside", str(error)),), _format_asked_for(arguments))
        return OUTSIDE_FAILED
    except BrokenPipeError:
        # `gitops-prefix … | head`: nobody reads on, and Python would complain at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return DONE
    except Exception as error:  # noqa: BLE001  the last resort, so that nobody sees a traceback
        return _report_bug(error)
    return code if isinstance(code, int) else DONE


def _format_asked_for(arguments: list[str] | None) -> Format:
    """Whether errors go out as JSON: `--output` counts wherever the command failed."""
    words = sys.argv[1:] if arguments is None else arguments
    for index, word in enumerate(words):
        for form in Format:
            if word == f"--output={form}" or words[index : index + 2] == ["--output", form]:
                return form
    return Format(os.environ.get("GITOPS_PREFIX_OUTPUT", Format.TEXT))


def _report_bug(error: Exception) -> int:
    if os.environ.get("GITOPS_PREFIX_DEBUG"):
        traceback.print_exc()
    click.echo(
        f"gitops-prefix: internal error: {type(error).__name__}: {error}\n"
        "This is a bug. Please report it with what GITOPS_PREFIX_DEBUG=1 prints.",
        err=True,
    )
    return OUTSIDE_FAILED
