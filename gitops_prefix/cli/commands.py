"""The table of commands, and the file that has their options.

Each module is imported only when its command is called. One file serves every command, so a
key of another command is left to that command. A key that no command has is refused: with a
misspelt `push-brnch`, commits would go to the wrong branch.
"""

import gc
import importlib
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import click

from gitops_prefix import version
from gitops_prefix.cli.output import outlive_readers
from gitops_prefix.decide.fields import EMPTY, NO_VALUE, nearest
from gitops_prefix.errors import InputError, Place, Problem

CONFIG_FILE = "gitops-prefix.yaml"
_MOST_BYTES = 5 * 1024 * 1024
WRONG_KEYS = "gitops_prefix.wrong_keys"
"""Where a click context keeps what is wrong with the keys of the file: `options.Command`
reports it beside the wrong options."""
PLACES = "gitops_prefix.places"
"""Where a click context keeps the place of each key of the file, by the option's long name."""
_OF_THE_REPOSITORY = {"externalDNS", "lists", "rewrite"}
"""`render.settings` reads this key of the same file."""
_OF_THE_FLAG_ALONE = {"--config", "--help"}
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
    "migrate": "Turn an operator's live objects into manifests for a repository.",
    "completion": "Print the script that completes commands in a shell.",
    "demo": "The whole way on an embedded default, without root or network.",
}

_LONG = {"run", "observe", "lab", "demo"}
"""Commands that may run for days. `__main__` turns the collection of cycles off: it would cost
the others a tenth of their time, and they leave few cycles."""


_ELSEWHERE = {
    "adopt": "apply",
    "completion": "reference",
    "migrate": "render",
    "template": "run",
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
                as_option = f'. Did you mean "--{cmd_name}"?'
                is_option = cmd_name in {"help", "version"}
                hint = as_option if is_option else nearest(cmd_name, list(COMMANDS))
                ctx.fail(f'There is no command "{cmd_name}"{hint}')
            return None
        command = load(cmd_name)
        if cmd_name in _LONG:
            gc.enable()
        else:
            outlive_readers()
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


def load_config(context: click.Context, _parameter: click.Parameter, path: Path | None) -> None:
    """Make the options of the file the defaults of the command: the callback of `--config`.

    What is wrong with its keys is kept in the context.

    Raises:
        InputError: the file cannot be read, or names a path that it must not.
    """
    chosen = path or Path(CONFIG_FILE)
    if path is None and not _is_here(chosen):
        return
    config = read_config(chosen)
    if path is None and {"apiVersion", "kind"} <= config.content.keys():
        return  # a manifest of that name, such as the Kustomization of our own deployment
    defaults, problems = _defaults_of(context.command, config)
    context.meta[WRONG_KEYS] = problems
    context.meta[PLACES] = {_snake(key): place for key, place in config.places}
    types = {parameter.name: parameter.type for parameter in context.command.params}
    if path is None and "directory" in types:
        for name, setting in defaults.items():
            if isinstance(types[name], click.Path):
                _refuse_outside(chosen, name.replace("_", "-"), setting)
    context.default_map = {**(context.default_map or {}), **defaults}


def _is_here(file: Path) -> bool:
    """Whether there is such a file in the current directory.

    Raises:
        InputError: nobody can say, and options that are there must not be passed over.
    """
    try:
        return file.is_file()
    except OSError as error:
        message = (
            f"the current directory cannot be searched for {file}: {error.strerror}: change to "
            "another directory, or name a file of options with --config"
        )
        raise InputError(Problem("config-unreadable", message)) from error


def _refuse_outside(config: Path, key: str, setting: str) -> None:
    """A file in the working directory is untrusted: its paths must stay inside that directory."""
    if not Path(setting).resolve().is_relative_to(Path.cwd().resolve()):
        message = (
            f'{key}: "{setting}" is outside of this directory: give it on the command line, or '
            f"name the file with --config {config}"
        )
        raise InputError(Problem("config-outside", message, Place(str(config))))


class Config(NamedTuple):
    """A configuration file.

    Attributes:
        content: its mapping.
        places: where the keys are, in the order of the text; one that is twice is there twice.
    """

    content: Mapping[Any, Any]
    places: tuple[tuple[str, Place], ...] = ()


def read_config(path: Path) -> Config:
    """Return the mapping in a configuration file, and where its keys are.

    Raises:
        InputError: the file cannot be read, or is not one mapping in YAML.
    """
    # Most runs have no such file.
    from gitops_prefix.render.node import MappingNode, key_text  # noqa: PLC0415
    from gitops_prefix.render.parse import NotYamlError, plain_value  # noqa: PLC0415
    from gitops_prefix.render.settings import locate_settings  # noqa: PLC0415
    from gitops_prefix.render.source import Source  # noqa: PLC0415

    place = Place(str(path))
    try:
        if path.stat().st_size > _MOST_BYTES:
            message = "is longer than 5 MiB, and cannot be options"
            raise InputError(Problem("config-unreadable", message, place))
        source = Source.decode(str(path), path.read_bytes())
        root = locate_settings(source)
        content = plain_value(root)
    except OSError as error:
        message = f"cannot be read: {error.strerror}"
        raise InputError(Problem("config-unreadable", message, place)) from error
    except UnicodeDecodeError as error:
        message = f"is not UTF-8 (byte {error.start}): save it as UTF-8"
        raise InputError(Problem("config-unreadable", message, place)) from error
    except NotYamlError as error:
        place = source.place(error.offset)
        raise InputError(Problem("config-not-yaml", f"is no YAML: {error}", place)) from error
    except ValueError as error:
        raise InputError(Problem("config-not-yaml", f"is no YAML: {error}", place)) from error
    if root is None or content is None:
        return Config({})
    if not isinstance(root, MappingNode) or not isinstance(content, dict):
        message = "must hold options, as in `branch: main`"
        place = Place(str(path), 1, 1)
        raise InputError(Problem("config-not-a-mapping", message, place))
    keys = (entry.key for entry in root.entries)
    return Config(content, tuple((key_text(key) or "", source.place(key.start)) for key in keys))


def _defaults_of(command: click.Command, config: Config) -> tuple[dict[str, Any], list[Problem]]:
    """Return the options of one command that the file sets, by click's parameter names.

    With them, the problems of keys that no command has, and of values that no flag could have.
    """
    own = _options(command)
    defaults = {}
    problems: list[Problem] = []
    seen: dict[str, str] = {}
    for key, place in config.places:
        setting, name = config.content.get(key), _snake(key)
        try:
            _check_once(key, seen.get(name), place)
            seen[name] = key
            if key in _OF_THE_REPOSITORY:
                continue
            if name not in own:
                _check_elsewhere(key, name, setting, place)
            elif setting is None:
                raise _nothing_behind(key, place)
            else:
                defaults[str(own[name].name)] = _as_given(own[name], key, setting, place)
        except InputError as error:
            problems += error.problems
    return defaults, problems


def _check_once(key: str, before: str | None, place: Place) -> None:
    """Refuse a key that is there twice, or in two spellings: readers disagree which one counts."""
    if before is not None:
        also = "" if before == key else f' and "{before}"'
        message = f'"{key}"{also} set one option twice: keep one of them'
        raise InputError(Problem("duplicate-key", message, place))


def _nothing_behind(key: str, place: Place) -> InputError:
    return InputError(Problem(EMPTY, f'"{key}" {NO_VALUE}: write one, or remove it', place))


def _snake(key: str) -> str:
    return re.sub(r"(?<=[a-z0-9])([A-Z])", r"_\1", key).replace("-", "_").lower()


def _options(command: click.Command) -> dict[str, click.Option]:
    return {
        name.removeprefix("--").replace("-", "_"): parameter
        for parameter in command.params
        if isinstance(parameter, click.Option)
        for name in (*parameter.opts, *parameter.secondary_opts)
        if name.startswith("--") and name not in _OF_THE_FLAG_ALONE
    }


def _check_elsewhere(key: str, name: str, setting: object, place: Place) -> None:
    """Check the key of another command, as far as its flag alone says what is wrong."""
    # Only a file with keys of other commands pays for importing those.
    known: dict[str, list[click.Option]] = {}
    for command in _commands():
        for option, declared in _options(command).items():
            known.setdefault(option, []).append(declared)
    if name not in known:
        flags = sorted([*_OF_THE_REPOSITORY, *(option.replace("_", "-") for option in known)])
        message = f'"{key}" is no option of any command{nearest(name.replace("_", "-"), flags)}'
        raise InputError(Problem("config-unknown-option", message, place))
    if setting is None:
        raise _nothing_behind(key, place)
    refusals = []
    for declared in known[name]:
        try:
            _as_given(declared, key, setting, place)
        except InputError as error:
            refusals.append(error)
    # Commands may share the name of an option, and one of them takes several values.
    if len(refusals) == len(known[name]):
        raise refusals[0]


def _commands() -> Iterator[click.Command]:
    for name in COMMANDS:
        command = load(name)
        yield command
        if isinstance(command, click.Group):
            yield from command.commands.values()


def _as_given(option: click.Option, key: str, setting: object, place: Place) -> object:
    """Return a setting as text, which the types of options read."""
    if option.multiple:
        # `interface: eth0` is a list of one.
        several = setting if isinstance(setting, list) else [setting]
        return [_text(item, key, place) for item in several]
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
