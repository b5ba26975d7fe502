"""`template`: the commit message as it would be, for given prefixes or made-up ones."""

from collections.abc import Iterable
from datetime import datetime
from pathlib import Path

import click

from gitops_prefix.cli.manifests import (
    Directory,
    advance,
    find_problems,
    has_errors,
    refuse_errors,
)
from gitops_prefix.cli.options import (
    Command,
    config_option,
    directory_argument,
    exclude_option,
    now_option,
    now_or_clock,
    output_option,
    path_option,
    prefix_option,
    settings_option,
)
from gitops_prefix.cli.output import DONE, Format, print_json
from gitops_prefix.cli.settings import MessageSettings
from gitops_prefix.cli.worktree import shipped
from gitops_prefix.decide.advertisement import Router
from gitops_prefix.decide.prefix import Prefix
from gitops_prefix.errors import InputError
from gitops_prefix.plan.occasion import occasion
from gitops_prefix.plan.plan import Plan
from gitops_prefix.publish.message import TemplateError
from gitops_prefix.render.drift import find_drift
from gitops_prefix.render.inventory import Inventory
from gitops_prefix.render.rendering import render

_FIRST, _NEXT = Prefix.parse("2001:db8:1234::/64"), Prefix.parse("2001:db8:5678::/64")
_ROUTER = Router("eth0", "fe80::1")


@click.command("template", cls=Command)
@directory_argument
@config_option
@prefix_option
@settings_option(MessageSettings, "messages")
@output_option(Format.TEXT, Format.JSON)
@now_option
@path_option
@exclude_option
def command(  # noqa: PLR0913  one parameter an option
    *,
    directory: Path,
    observations: tuple[tuple[str, Prefix], ...],
    messages: MessageSettings,
    form: Format,
    now: datetime | None,
    path: str,
    exclude: tuple[str, ...],
) -> int:
    """Show the commit message as it would be, for the manifests below DIR.

    Without --prefix, each DynamicPrefix gets a made-up one; without any below DIR, it is
    home-ipv6 of the example that is shipped. The router is made up, too. Writes nothing.
    """
    wording = messages.wording()
    _, inventory = Directory(directory, path, exclude).read()
    is_sample = not inventory.dynamic_prefixes
    if is_sample:
        _, inventory = Directory(shipped("examples") / "plain").read()
    if has_errors(inventory.problems):
        refuse_errors(find_problems(inventory))
    clock = now_or_clock(now)
    before = {name: each.status for name, each in inventory.dynamic_prefixes.items()}
    if is_sample or not observations:
        # From the prefix that it has, else from one that is made up.
        waiting = [name for name, status in before.items() if status is None]
        first = advance(inventory, _made_up(inventory, waiting, _FIRST), now, clock)
        refuse_errors(first.misfits)
        before |= first.statuses
    observations = observations or _made_up(inventory, before, _NEXT)
    statuses, misfits = advance(inventory, observations, now, clock)
    rendering = render(inventory, statuses)
    refuse_errors([*misfits, *rendering.problems])
    routers = dict.fromkeys(statuses, _ROUTER)
    planned = Plan(inventory, before, statuses, rendering, routers=routers)
    try:
        text = wording.attempt(occasion(planned, find_drift(inventory)))
    except TemplateError as error:
        raise InputError(error.problem) from error
    if form is Format.JSON:
        print_json({"message": text})
    else:
        click.echo(text, nl=False)
    return DONE


def _made_up(
    inventory: Inventory, names: Iterable[str], prefix: Prefix
) -> tuple[tuple[str, Prefix], ...]:
    """The same prefix for each of the names, but for those that are static."""
    documents = inventory.dynamic_prefixes
    return tuple(
        (name, prefix) for name in names if documents[name].specification.acquisition.static is None
    )
