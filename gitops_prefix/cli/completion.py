"""`completion`: the script that makes a shell complete commands, options and their values."""

import click
from click.shell_completion import get_completion_class

from gitops_prefix.cli.commands import cli
from gitops_prefix.cli.options import Command, OneOf
from gitops_prefix.cli.output import DONE

_PROGRAM = "gitops-prefix"
_VARIABLE = "_GITOPS_PREFIX_COMPLETE"
"""click answers through this variable; the script sets it."""


_PLACES = """\b
Where the script belongs:
  gitops-prefix completion bash > ~/.local/share/bash-completion/completions/gitops-prefix
  gitops-prefix completion zsh > "${fpath[1]}/_gitops-prefix"
  gitops-prefix completion fish > ~/.config/fish/completions/gitops-prefix.fish"""


@click.command("completion", cls=Command, epilog=_PLACES)
@click.argument("shell", type=OneOf(["bash", "zsh", "fish"]))
def command(*, shell: str) -> int:
    """Print the script that completes commands, options and values in SHELL."""
    kind = get_completion_class(shell)
    assert kind is not None  # noqa: S101  the choices are click's own
    click.echo(_source(kind(cli, {}, _PROGRAM, _VARIABLE)))
    return DONE


def _source(complete: click.shell_completion.ShellComplete) -> str:
    # click's own `source` for bash calls bash for its version, which need not be there.
    return complete.source_template % complete.source_vars()
