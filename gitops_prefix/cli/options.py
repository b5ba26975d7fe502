"""Options that commands share: a flag, else its environment variable, else the file.

Every option reads GITOPS_PREFIX_<OPTION>, and `gitops-prefix.yaml` of the directory
at hand (or `--config`), where its name is written as on the command line or with
underscores or in camel case.
"""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, TypeVar

import click

from gitops_prefix.cli.config_file import defaults_of
from gitops_prefix.cli.output import Format
from gitops_prefix.decide.duration import parse_duration
from gitops_prefix.decide.fields import nearest
from gitops_prefix.decide.prefix import Prefix
from gitops_prefix.decide.status import parse_time
from gitops_prefix.errors import InputError, Place, Problem

CONFIG_FILE = "gitops-prefix.yaml"
MOST_BYTES = 5 * 1024 * 1024
Function = TypeVar("Function", bound=Callable[..., Any])


def option(*names: str, **attributes: Any) -> Callable[[Function], Function]:
    """A click option that also reads its environment variable."""
    long = next(name for name in names if name.startswith("--")).partition("/")[0]
    variable = "GITOPS_PREFIX_" + long.removeprefix("--").replace("-", "_").upper()
    return click.option(*names, envvar=variable, show_envvar=True, **attributes)


def file_option(name: str, text: str) -> Callable[[Function], Function]:
    """An option that names a file, which need not be there yet."""
    return option(name, type=click.Path(dir_okay=False, path_type=Path), metavar="FILE", help=text)


class Parsed(click.ParamType[object]):
    """A value that a function of `decide` reads from text."""

    def __init__(self, name: str, parse: Callable[[str], object]) -> None:
        self.name = name
        self._parse = parse

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> object:
        """Parse a string; a value that is parsed already stays."""
        if not isinstance(value, str):
            return value
        try:
            return self._parse(value)
        except ValueError as error:
            self.fail(str(error), param, ctx)


def _parse_observation(text: str) -> tuple[str, Prefix]:
    name, equals, prefix = text.partition("=")
    if not equals or not name:
        raise ValueError(
            f'"{text}" is not NAME=PREFIX: write "home-ipv6=2001:db8:9::/64", for example'
        )
    return name, Prefix.parse(prefix)


class OneOf(click.Choice[str]):
    """A choice that names the nearest to what was written."""

    def get_invalid_choice_message(self, value: Any, ctx: click.Context | None) -> str:
        """What is there instead."""
        del ctx
        choices = [str(one) for one in self.choices]
        return f'"{value}" is none of {", ".join(choices)}{nearest(str(value), choices)}'


DURATION = Parsed("duration", parse_duration)
TIME = Parsed("time", parse_time)
OBSERVATION = Parsed("name=prefix", _parse_observation)

directory_argument = click.argument(
    "directory",
    metavar="[DIR]",
    default=".",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
)

prefix_option = option(
    "--prefix",
    "observations",
    metavar="NAME=PREFIX",
    type=OBSERVATION,
    multiple=True,
    help="Take this prefix as observed for the DynamicPrefix NAME. May be repeated.",
)

now_option = option(
    "--now",
    type=TIME,
    metavar="TIME",
    help='The time that counts as now (RFC 3339, as in "2026-11-23T10:00:00Z").',
)

path_option = option(
    "--path", default="", metavar="SUBDIR", help="Look only at files below this directory."
)

exclude_option = option(
    "--exclude",
    multiple=True,
    metavar="PATTERN",
    help="Leave these files alone (gitignore syntax). May be repeated.",
)


def output_option(*forms: Format) -> Callable[[Function], Function]:
    """`--output`, limited to the forms that a command has."""
    return option(
        "--output",
        "form",
        type=OneOf([form.value for form in forms]),
        default=Format.TEXT.value,
        show_default=True,
        callback=lambda _context, _parameter, text: Format(text),
        help="How the answer is printed.",
    )


def config_option(function: Function) -> Function:
    """`--config`, read before every other option so that its values are defaults."""
    return click.option(
        "--config",
        is_eager=True,
        expose_value=False,
        envvar="GITOPS_PREFIX_CONFIG",
        type=click.Path(dir_okay=False, path_type=Path),
        callback=_load_config,
        help=f"Options from this file [default: {CONFIG_FILE}, when there is one].",
    )(function)


def _load_config(context: click.Context, _parameter: click.Parameter, path: Path | None) -> None:
    chosen = path or Path(CONFIG_FILE)
    if path is None and not chosen.is_file():
        return
    settings = read_config(chosen)
    if path is None and {"apiVersion", "kind"} <= settings.keys():
        return  # a manifest of that name, such as the Kustomization of our own deployment
    defaults = defaults_of(context.command, settings, Place(str(chosen)))
    types = {parameter.name: parameter.type for parameter in context.command.params}
    if path is None and "directory" in types:
        for name, setting in defaults.items():
            if isinstance(types[name], click.Path):
                _refuse_outside(chosen, name.replace("_", "-"), setting)
    context.default_map = {**(context.default_map or {}), **defaults}


def _refuse_outside(config: Path, key: str, setting: str) -> None:
    """A file that is found may be a stranger's: a checkout decides for itself alone."""
    if not Path(setting).resolve().is_relative_to(Path.cwd().resolve()):
        message = (
            f'{key}: "{setting}" is outside of this directory: give it on the command line, or '
            f"name the file with --config {config}"
        )
        raise InputError(Problem("config-outside", message, Place(str(config))))


def read_config(path: Path) -> dict[str, Any]:
    """The mapping in a configuration file.

    Raises:
        InputError: it cannot be read, is no YAML, or is no mapping.
    """
    # Most runs have no such file.
    from gitops_prefix.render.locate import NotYamlError, locate  # noqa: PLC0415
    from gitops_prefix.render.plain_value import plain_value  # noqa: PLC0415
    from gitops_prefix.render.source import Source  # noqa: PLC0415

    place = Place(str(path))
    try:
        if path.stat().st_size > MOST_BYTES:
            message = "is longer than 5 MiB, and cannot be options"
            raise InputError(Problem("config-unreadable", message, place))
        source = Source.decode(str(path), path.read_bytes())
        root = locate(source.text)
        content = plain_value(root)
    except OSError as error:
        message = f"cannot be read: {error.strerror}"
        raise InputError(Problem("config-unreadable", message, place)) from error
    except UnicodeDecodeError as error:
        message = f"cannot be read: {error}"
        raise InputError(Problem("config-unreadable", message, place)) from error
    except NotYamlError as error:
        place = source.place(error.offset)
        raise InputError(Problem("config-not-yaml", f"is no YAML: {error}", place)) from error
    except ValueError as error:
        raise InputError(Problem("config-not-yaml", f"is no YAML: {error}", place)) from error
    if content is None:
        return {}
    if not isinstance(content, dict):
        raise InputError(
            Problem(
                "config-not-a-mapping",
                "must hold options, as in `branch: main`",
                Place(str(path), 1, 1),
            )
        )
    return content


def now_or_clock(now: datetime | None) -> datetime:
    """The time given, else the clock's, in whole seconds."""
    return now or datetime.now(UTC).replace(microsecond=0)


def seconds(duration: timedelta | float) -> float:
    """A duration as a number of seconds."""
    return duration.total_seconds() if isinstance(duration, timedelta) else float(duration)
