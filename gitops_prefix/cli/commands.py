"""The table of commands. Each module is imported only when its command is called."""

import gc
import importlib

import click

from gitops_prefix import version
from gitops_prefix.decide.fields import nearest

COMMANDS = {
    "run": "The daemon: watch, decide, render, commit, push.",
    "doctor": "Check whether the daemon would work on this machine.",
    "render": "Render the manifests of a directory from the statuses in it.",
    "validate": "Check every annotation, marker and DynamicPrefix.",
    "status": "Show each DynamicPrefix and what is bound to it.",
    "apply": "Write the managed fields to a cluster directly, and nothing else.",
    "adopt": "Write down the host parts that Services have in a cluster.",
    "observe": "Print Router Advertisements and what would be decided.",
    "lab": "A simulated router, to rehearse a renumbering on a test link.",
    "simulate": "Walk through a scenario, and show what the manifests would hold.",
    "template": "Show the commit message as it would be.",
    "init": "Write a DynamicPrefix, a pool, a CIDR group and a deployment to start from.",
    "completion": "Print the script that completes commands in a shell.",
    "demo": "The whole way on an embedded default, without root or network.",
}

_LONG = {"run", "observe", "lab", "demo"}
"""Commands that may run for days. `__main__` turns the collection of cycles off: it would cost
the others a tenth of their time, and they leave few cycles."""


_ELSEWHERE = {
    "adopt": "apply",
    "completion": "reference",
    "template": "status",
    "validate": "status",
}
"""The commands that share a module; there they are called `NAME_command`."""


def load(name: str) -> click.Command:
    """Import a command's module, and return the command."""
    module = importlib.import_module(f"gitops_prefix.cli.{_ELSEWHERE.get(name, name)}")
    command: click.Command = getattr(module, f"{name}_command" if name in _ELSEWHERE else "command")
    return command


class LazyGroup(click.Group):
    """A group that knows its commands by name, and loads the one that is called."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """The commands in the order of the table."""
        del ctx
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Return the command that is called.

        Raises:
            click.UsageError: there is no such command; the message has the nearest.
        """
        if cmd_name not in COMMANDS:
            if not cmd_name.startswith("-"):
                hint = nearest(cmd_name, list(COMMANDS))
                ctx.fail(f'There is no command "{cmd_name}"{hint}')
            return None
        command = load(cmd_name)
        if cmd_name in _LONG:
            gc.enable()
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """List the commands without importing any."""
        del ctx
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))


@click.command(
    cls=LazyGroup,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    epilog="Exit codes: 0 done; 1 the answer is no; 2 bad input, nothing changed; "
    "3 the outside failed, nothing lost.",
)
@click.version_option(version(), message="%(prog)s %(version)s")
def cli() -> None:
    """Keep a Git repository of Kubernetes manifests true to the current IPv6 prefix."""
