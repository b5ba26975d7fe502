"""What the keys of `gitops-prefix.yaml` come to, each as its flag would be.

One file serves every command, so a key of another command's is left to that one. A key
of none is refused: with a `push-brnch` that nobody reads, commits would go elsewhere.
"""

import importlib
import re
from collections.abc import Iterator, Mapping
from typing import Any

import click

from gitops_prefix.cli.commands import COMMANDS
from gitops_prefix.decide.fields import nearest
from gitops_prefix.errors import InputError, Place, Problem

_OF_THE_REPOSITORY = "externalDNS"
"""What `render.settings` reads of the same file."""


def defaults_of(
    command: click.Command, settings: Mapping[Any, Any], place: Place
) -> dict[str, Any]:
    """The options of one command that a file gives, by the names of click's parameters.

    Raises:
        InputError: a key that no command has, or a value that no flag could have.
    """
    own = _options(command)
    defaults = {}
    for key, setting in settings.items():
        name = _snake(str(key))
        if name in own:
            if setting is None:
                continue  # `output:` alone says nothing
            defaults[str(own[name].name)] = _as_given(own[name], str(key), setting, place)
        elif key != _OF_THE_REPOSITORY:
            _check_known(str(key), name, place)
    return defaults


def _snake(key: str) -> str:
    return re.sub(r"(?<=[a-z0-9])([A-Z])", r"_\1", key).replace("-", "_").lower()


def _options(command: click.Command) -> dict[str, click.Option]:
    return {
        name.removeprefix("--").replace("-", "_"): parameter
        for parameter in command.params
        if isinstance(parameter, click.Option)
        for name in (*parameter.opts, *parameter.secondary_opts)
        if name.startswith("--")
    }


def _check_known(key: str, name: str, place: Place) -> None:
    # Only a file with keys of other commands pays for importing those.
    known = {one for command in _commands() for one in _options(command)}
    if name not in known:
        flags = sorted(one.replace("_", "-") for one in known)
        message = f'"{key}" is no option of any command{nearest(name.replace("_", "-"), flags)}'
        raise InputError(Problem("config-unknown-option", message, place))


def _commands() -> Iterator[click.Command]:
    for name in COMMANDS:
        command: click.Command = importlib.import_module(f"gitops_prefix.cli.{name}").command
        yield command
        if isinstance(command, click.Group):
            yield from command.commands.values()


def _as_given(option: click.Option, key: str, setting: object, place: Place) -> object:
    """A setting as text, which is what types of options read."""
    if option.multiple:
        # `interface: eth0` where several could stand is one of them.
        several = setting if isinstance(setting, list) else [setting]
        return [_text(one, key, place) for one in several]
    if option.is_flag:
        if not isinstance(setting, bool):
            raise InputError(Problem("wrong-type", f'"{key}" must be true or false', place))
        return setting
    return _text(setting, key, place)


def _text(setting: object, key: str, place: Place) -> str:
    if setting is None or isinstance(setting, list | dict):
        message = f'"{key}" must be one value, written as on the command line'
        raise InputError(Problem("wrong-type", message, place))
    return str(setting).lower() if isinstance(setting, bool) else str(setting)
