"""How an option is declared: once, as a decorator of a command or as a field of a dataclass.

From the declaration come the flag, the environment variable GITOPS_PREFIX_<OPTION>, the
key of `gitops-prefix.yaml`, the row in docs/cli.md, and for `run` the chart's part
(`cli.reference` writes the last two). The flag counts first, then the environment, then
the file.
"""

import os
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import Field, field, fields, is_dataclass
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

import click

from gitops_prefix.cli.commands import CONFIG_FILE, PLACES, WRONG_KEYS, load_config
from gitops_prefix.cli.output import Format
from gitops_prefix.decide.fields import nearest, parse_duration
from gitops_prefix.decide.prefix import LINK_LOCAL, Prefix
from gitops_prefix.decide.status import parse_time
from gitops_prefix.errors import InputError, Problem

Function = TypeVar("Function", bound=Callable[..., Any])
Settings = TypeVar("Settings")
_NEVER_ANNOUNCED = {
    "link-local": LINK_LOCAL,
    "multicast": Prefix.parse("ff00::/8"),
    "IPv4-mapped": Prefix.parse("::ffff:0:0/96"),
}
"""RFC 4862 5.5.3 b ignores link-local prefixes; RFC 4291 2.5 lists the others."""
_WRONG = "gitops_prefix.wrong"
"""Where a click context keeps the usage errors of its options."""


class Chart(NamedTuple):
    """How the Helm chart sets an option.

    Attributes:
        value: the variable's value in `_options.tpl`; empty for an option that the chart's
            `options` may hold, and None for one that makes no sense in a pod.
        when: the condition under which the variable is set; empty for always.
    """

    value: str | None = ""
    when: str = ""


class Option(click.Option):
    """An option that knows its place in the reference, and waits with its errors.

    A wrong value is kept in the context, so that `Command` reports every wrong option of
    a run instead of the first.
    """

    def __init__(
        self,
        names: Sequence[str],
        *,
        help: str,  # noqa: A002  click's name
        group: str = "",
        see: str = "",
        chart: Chart = Chart(),  # noqa: B008  frozen
        **attributes: Any,
    ) -> None:
        super().__init__(names, help=f"{help} See docs/{see}." if see else help, **attributes)
        self.says = help
        self.group = group
        self.see = see
        self.chart = chart

    def process_value(self, ctx: click.Context, value: Any) -> Any:
        """Convert a value; None for a wrong one."""
        try:
            return super().process_value(ctx, value)
        except click.BadParameter as error:
            if ctx.resilient_parsing:
                raise
            # click names the parameter later, on the way up; this error does not go there.
            error.ctx, error.param = error.ctx or ctx, error.param or self
            ctx.meta.setdefault(_WRONG, []).append(error)
            return None


def _problem_of(error: click.UsageError, ctx: click.Context) -> Problem:
    """Return a wrong value as a problem, with its place when the file has it."""
    if isinstance(error, click.BadParameter) and error.param and error.param.name:
        source = ctx.get_parameter_source(error.param.name)
        names = [flag.removeprefix("--").replace("-", "_") for flag in error.param.opts]
        place = next(filter(None, map(ctx.meta.get(PLACES, {}).get, names)), None)
        if source is click.core.ParameterSource.DEFAULT_MAP and place is not None:
            flag = error.param.opts[0].removeprefix("--")
            return Problem("usage", f"{flag}: {error.message}", place)
    return Problem("usage", error.format_message())


class Command(click.Command):
    """A command whose `--help` has a heading for each group, and that reports every wrong option.

    Attributes:
        check: finds the problems of the options that could be read, when others could not.
    """

    check: Callable[[Mapping[str, Any]], Iterable[Problem]] | None = None

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command, unless an option is wrong.

        Raises:
            InputError: keys of the file are wrong, or several options; with a problem for each.
            click.UsageError: one option is wrong.
        """
        wrong: list[click.UsageError] = ctx.meta.get(_WRONG, [])
        keys: list[Problem] = ctx.meta.get(WRONG_KEYS, [])
        if wrong or keys:
            # A wrong option counts as not given, so nothing that names it is known to be true.
            given = {
                f"--{name.replace('_', '-')}"
                for name, place in ctx.meta.get(PLACES, {}).items()
                if place in {problem.place for problem in keys}
            }
            wrong = [error for error in wrong if not _misses(error, given)]
            flags = given | {
                flag
                for error in wrong
                if isinstance(error, click.BadParameter) and error.param
                for flag in error.param.opts
            }
            found = self.check(ctx.params) if self.check else ()
            problems = [each for each in found if flags.isdisjoint(_words(each.message))]
            usage = [_problem_of(error, ctx) for error in wrong]
            if len(wrong) == 1 and not keys and not problems and usage[0].place is None:
                raise wrong[0]
            raise InputError(*keys, *usage, *problems)
        return super().invoke(ctx)

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the options, grouped as they are declared."""
        groups: dict[str, list[tuple[str, str]]] = {}
        for parameter in self.get_params(ctx):
            record = parameter.get_help_record(ctx)
            if record is not None and not isinstance(parameter, click.Argument):
                groups.setdefault(getattr(parameter, "group", ""), []).append(record)
        everywhere = groups.pop("", [])
        for title, records in groups.items():
            with formatter.section(title):
                formatter.write_dl(records)
        with formatter.section("Options"):
            formatter.write_dl(everywhere)


def _misses(error: click.UsageError, given: set[str]) -> bool:
    """Whether an option is called missing that the file gives, though wrongly."""
    if not isinstance(error, click.MissingParameter) or error.param is None:
        return False
    return not given.isdisjoint(error.param.opts)


def _words(text: str) -> set[str]:
    return {word.rstrip(":,.;") for word in text.split()}


def variable_of(flag: str) -> str:
    """Return the environment variable of an option."""
    return "GITOPS_PREFIX_" + flag.removeprefix("--").replace("-", "_").upper()


def option(*names: str, **attributes: Any) -> Callable[[Function], Function]:
    """Declare an option of one command: a click option that also reads its variable."""
    flag = next(name for name in names if name.startswith("--")).partition("/")[0]
    return click.option(
        *names, cls=Option, envvar=variable_of(flag), show_envvar=True, **attributes
    )


def file_option(name: str, text: str) -> Callable[[Function], Function]:
    """Declare an option that names a file, which need not exist yet."""
    return option(name, type=click.Path(dir_okay=False, path_type=Path), metavar="FILE", help=text)


class Parsed(click.ParamType[object]):
    """A value that a function of a lower package reads from text."""

    def __init__(self, name: str, parse: Callable[[str], object]) -> None:
        self.name = name
        self._parse = parse

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> object:
        """Parse a string; a parsed value stays."""
        if not isinstance(value, str):
            return value
        try:
            return self._parse(value)
        except ValueError as error:
            self.fail(str(error), param, ctx)


class Output(click.Path):
    """A directory to write to. An empty one is the variable of a script that nobody set."""

    def __init__(self) -> None:
        super().__init__(file_okay=False, path_type=Path)

    def convert(
        self,
        value: str | os.PathLike[str],
        param: click.Parameter | None,
        ctx: click.Context | None,
    ) -> str | bytes | os.PathLike[str]:
        """Refuse the empty text, which pathlib takes for the current directory."""
        if value == "":
            self.fail("it is empty: name a directory", param, ctx)
        return super().convert(value, param, ctx)


class OneOf(click.Choice[str]):
    """A choice whose error names the nearest choice."""

    def get_invalid_choice_message(self, value: Any, ctx: click.Context | None) -> str:
        """Return the choices, and the nearest to what was written."""
        del ctx
        choices = [str(choice) for choice in self.choices]
        return f'"{value}" is not one of {", ".join(choices)}{nearest(str(value), choices)}'


class Line(click.types.StringParamType):
    """A text with blanks: in a variable, each line is one value."""

    envvar_list_splitter = "\n"


def _parse_observation(text: str) -> tuple[str, Prefix]:
    name, equals, prefix = text.partition("=")
    if not equals or not name:
        raise ValueError(
            f'"{text}" is not NAME=PREFIX: write "home-ipv6=2001:db8:9::/64", for example'
        )
    return name, parse_observed(prefix)


def parse_observed(text: str) -> Prefix:
    """Read a prefix that counts as observed.

    Raises:
        ValueError: it is not a prefix, or no router could announce it for addresses.
    """
    if re.fullmatch(r"[0-9.]+(/[0-9]+)?", text) and "." in text:
        raise ValueError(f'"{text}" is IPv4: write an IPv6 prefix, as in "2001:db8:9::/64"')
    prefix = Prefix.parse(text)
    for name, block in _NEVER_ANNOUNCED.items():
        if block.covers(prefix):
            raise ValueError(
                f'"{text}" is {name}, and never a prefix for addresses: write the prefix that '
                'your provider gave you, as in "2001:db8:9::/64"'
            )
    return prefix


def complete_link(
    _context: click.Context, _parameter: click.Parameter, incomplete: str
) -> list[str]:
    """Return the links of this machine that begin so, for a shell's completion."""
    import socket  # noqa: PLC0415  no other command's start pays for it

    return [name for _, name in socket.if_nameindex() if name.startswith(incomplete)]


DURATION = Parsed("duration", parse_duration)
TIME = Parsed("time", parse_time)
OBSERVATION = Parsed("name=prefix", _parse_observation)
FILE = click.Path(dir_okay=False, path_type=Path)


# --- Options as fields of a frozen dataclass -------------------------------------------------


def setting(default: Any = None, *, make: Callable[[Any], Any] | None = None, **option: Any) -> Any:
    """Declare an option as a field of a dataclass; the flag is the field's name.

    Args:
        default: as on the command line.
        make: makes the field's value of click's, unless that is None.
        option: what `Option` takes; `flag` names the flag where the field has another name.
    """
    if default is not None:
        option = {"default": default, "show_default": default != "", **option}
    value = option.pop("value", None if default is None else make(default) if make else default)
    return field(default=value, metadata={"option": option, "make": make})


def text(default: Any = None, **option: Any) -> Any:
    """Declare a text."""
    return setting(default, **option)


def flag(**option: Any) -> Any:
    """Declare a flag that is off by default."""
    return field(default=False, metadata={"option": {"is_flag": True, **option}, "make": None})


def file(**option: Any) -> Any:
    """Declare a file, which need not exist yet."""
    return setting(type=FILE, metavar="FILE", **option)


def duration(default: str, **option: Any) -> Any:
    """Declare a duration, such as "5m"."""
    return setting(
        default, type=DURATION, value=parse_duration(default), metavar="DURATION", **option
    )


def choice(kind: type[StrEnum], default: StrEnum | None = None, **option: Any) -> Any:
    """Declare one of the values of an enumeration."""
    values = [member.value for member in kind]
    return setting(default and default.value, type=OneOf(values), make=kind, **option)


def several(**option: Any) -> Any:
    """Declare an option that may be repeated."""
    declared = {"multiple": True, **option}
    declared["help"] += " May be repeated."
    return field(default=(), metadata={"option": declared, "make": None})


def _options_of(kind: type) -> Iterator[click.Option]:
    """Yield an option for each field; sections, in the order of their declaration."""
    for declared in fields(kind):
        if is_dataclass(declared.type):
            yield from _options_of(declared.type)  # type: ignore[arg-type]  # a type it is
        elif "option" in declared.metadata:
            attributes = dict(declared.metadata["option"])
            name = attributes.pop("flag", f"--{declared.name.replace('_', '-')}")
            group = getattr(kind, "TITLE", "")
            yield Option(
                [name, declared.name],
                envvar=variable_of(name),
                show_envvar=True,
                group=group,
                **attributes,
            )


def read_settings(kind: type[Settings], arguments: Mapping[str, Any]) -> Settings:
    """Make a settings dataclass of click's arguments; a missing one is the field's default."""
    values = {}
    for declared in fields(kind):  # type: ignore[arg-type]  # a dataclass it is
        if is_dataclass(declared.type):
            values[declared.name] = read_settings(declared.type, arguments)  # type: ignore[arg-type]
        elif arguments.get(declared.name) is not None:
            values[declared.name] = _made(declared, arguments[declared.name])
    return kind(**values)


def _made(declared: Field[Any], value: Any) -> Any:
    make = declared.metadata.get("make")
    return make(value) if make else value


def settings_option(
    kind: type, name: str = "settings", *, required: bool = True
) -> Callable[[Function], Any]:
    """Give a command the options of a dataclass, and their values as the argument `name`.

    Args:
        kind: the dataclass.
        name: of the argument.
        required: whether options that are required stay so.
    """
    declared = tuple(_options_of(kind))
    for each in declared:
        each.required = each.required and required
    names = [str(each.name) for each in declared]

    def decorate(function: Function) -> Any:
        def call(**arguments: Any) -> Any:
            given = {each: arguments.pop(each) for each in names}
            return function(**arguments, **{name: read_settings(kind, given)})

        call.__name__, call.__doc__ = function.__name__, function.__doc__
        # click reads options from the decorators below first: in reverse.
        inherited = getattr(function, "__click_params__", [])
        call.__click_params__ = [*inherited, *reversed(declared)]  # type: ignore[attr-defined]
        return call

    return decorate


# --- Options that several commands share -----------------------------------------------------

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
    help='The time that counts as now (RFC 3339, as in "2026-11-23T10:00:00Z"). Only with it '
    "do retention and dnsDelay end anything here.",
)

path_option = option(
    "--path", default="", metavar="SUBDIR", help="Read only files below this directory."
)

exclude_option = option(
    "--exclude",
    multiple=True,
    metavar="PATTERN",
    help="Do not read these files (gitignore syntax). May be repeated.",
)


def output_option(*forms: Format) -> Callable[[Function], Function]:
    """Declare `--output`, limited to the forms that a command has."""
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
    """Declare `--config`, which is read first: its values are defaults of the other options."""
    return click.option(
        "--config",
        is_eager=True,
        expose_value=False,
        envvar="GITOPS_PREFIX_CONFIG",
        type=click.Path(dir_okay=False, path_type=Path),
        callback=load_config,
        help=f"Options from this file [default: {CONFIG_FILE}, when there is one].",
    )(function)


def now_or_clock(now: datetime | None) -> datetime:
    """Return the time given, else the clock's, in whole seconds."""
    return now or datetime.now(UTC).replace(microsecond=0)
