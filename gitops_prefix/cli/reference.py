"""What is written from the declared options: tables, the man page, completion scripts.

`python -m gitops_prefix.cli.reference` in a checkout writes the tables of docs/cli.md, the
chart's part, the chart's table of values and the man page; a test holds that they are current.
`completion` prints a shell's script.
"""

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from itertools import groupby
from pathlib import Path

import click
from click.shell_completion import ShellComplete, get_completion_class

from gitops_prefix import __version__
from gitops_prefix.cli.commands import cli
from gitops_prefix.cli.options import DURATION, Command, OneOf, Option
from gitops_prefix.cli.output import DONE

_ROOT = Path(__file__).parents[2]
_PAGE = "docs/cli.md"
_TEMPLATE = "charts/gitops-prefix/templates/_options.tpl"
_SCHEMA = "charts/gitops-prefix/values.schema.json"
_VALUES = "charts/gitops-prefix/values.yaml"
_README = "charts/gitops-prefix/README.md"
_VALUE_TABLE = re.compile(r"(<!-- values -->\n).*?(<!-- end of values -->)", re.DOTALL)
_VALUE = re.compile(r"( *)([A-Za-z][A-Za-z0-9]*):(?: (.*))?")
_MANUAL = "man/gitops-prefix.1"
_TABLE = re.compile(r"(<!-- options of ([a-z ]+) -->\n).*?(<!-- end of options -->)", re.DOTALL)
_ENVIRONMENT = re.compile(
    r'(\{\{- define "gitops-prefix\.environment" -\}\}\n).*?'
    r"(\{\{- if \.Values\.options \}\}\nGITOPS_PREFIX_CONFIG)",
    re.DOTALL,
)
_CODE = re.compile(r"(?<![`\w-])(--[a-z][a-z-]*[a-z]|GITOPS_PREFIX_\w+|\$XDG_\w+|\{name\})")
_NOTE = re.compile(r" \[(default|or)([^]]*)\]")


def written(root: Path = _ROOT) -> Iterator[tuple[str, str]]:
    """Yield each file, by its path from the root, with its text as the options make it."""
    yield _PAGE, _TABLE.sub(_fill_table, (root / _PAGE).read_text(encoding="utf-8"))
    template = (root / _TEMPLATE).read_text(encoding="utf-8")
    variables = "".join(_variables(_options_of("run")))
    yield _TEMPLATE, _ENVIRONMENT.sub(lambda found: found[1] + variables + found[2], template)
    schema = json.loads((root / _SCHEMA).read_text(encoding="utf-8"))
    schema["properties"]["options"]["properties"] = _schema(_options_of("run"))
    yield _SCHEMA, json.dumps(schema, indent=2) + "\n"
    table = "".join(_value_rows((root / _VALUES).read_text(encoding="utf-8").splitlines()))
    readme = (root / _README).read_text(encoding="utf-8")
    yield _README, _VALUE_TABLE.sub(lambda found: f"{found[1]}\n{table}\n{found[2]}", readme)
    yield _MANUAL, "\n".join(_manual()) + "\n"


def _options_of(path: str) -> list[Option]:
    """Return the declared options of a command, by its words."""
    command: click.Command = cli
    for word in path.split():
        command = dict(_commands(command))[word]
    return [parameter for parameter in command.params if isinstance(parameter, Option)]


def _commands(command: click.Command) -> Iterator[tuple[str, click.Command]]:
    """Yield the commands of a group, by name; none of a command that is no group."""
    if isinstance(command, click.Group):
        context = click.Context(command)
        for name in command.list_commands(context):
            found = command.get_command(context, name)
            assert found is not None, name  # noqa: S101
            yield name, found


def _fill_table(found: re.Match[str]) -> str:
    lines = ["| option | meaning |", "|---|---|"]
    group = ""
    for option in sorted(_options_of(found[2]), key=lambda option: option.group != ""):
        if option.group != group:
            group = option.group
            lines.append(f"| **{_linked(group)}** | |")
        lines.append(_row(option))
    return f"{found[1]}\n" + "\n".join(lines) + f"\n\n{found[3]}"


def _linked(title: str) -> str:
    return re.sub(r"docs/([a-z-]+\.md)", r"[\1](\1)", title)


def _row(option: Option) -> str:
    metavar = "" if option.is_flag or isinstance(option.type, click.Choice) else option.metavar
    flag = f"`{option.opts[0]}`" + (f" {metavar.replace('|', ' or ')}" if metavar else "")
    note = _NOTE.search(option.says)
    says = _NOTE.sub("", option.says)
    words = [_CODE.sub(r"`\1`", says)]
    if isinstance(option.type, click.Choice):
        *others, last = [f"`{choice}`" for choice in option.type.choices]
        words.append(f"{', '.join(others)} or {last}.")
    if note:
        words.append(_CODE.sub(r"`\1`", f"{note[1].capitalize()}{note[2]}."))
    if option.see:
        words.append(f"See [{option.see}]({option.see}).")
    if option.required:
        words.append("Required.")
    if option.show_default:
        words.append(f"Default: `{option.default}`")
    return f"| {flag} | {' '.join(words)} |"


def _variables(options: Iterable[Option]) -> Iterator[str]:
    """Yield the variables that the chart sets, those with the same condition as one block."""
    charted = [option for option in options if option.chart.value]
    for when, block in groupby(charted, key=lambda option: option.chart.when):
        lines = "".join(f"{option.envvar}: {option.chart.value}\n" for option in block)
        yield f"{{{{- if {when} }}}}\n{lines}{{{{- end }}}}\n" if when else lines


def _schema(options: Iterable[Option]) -> Mapping[str, object]:
    """Return what the chart's `options` may hold: every option without a value of its own."""
    return {
        option.opts[0].removeprefix("--"): _type(option)
        for option in sorted(options, key=lambda option: option.opts[0])
        if option.chart.value == ""
    }


def _value_rows(lines: Iterable[str]) -> Iterator[str]:
    """Yield a row for each value of the chart: its path, its default, and its comment.

    A comment begins with "# --" (helm-docs) and stands above its value. A mapping without a
    comment has no row of its own.
    """
    yield "| value | default | meaning |\n|---|---|---|\n"
    path: list[str] = []
    words, begun = "", False
    for line in lines:
        comment = line.lstrip()
        if comment.startswith("#"):
            begun = begun or comment.startswith("# --")
            words = f"{words} {comment.lstrip('#- ')}".strip() if begun else ""
            continue
        found = _VALUE.fullmatch(line)
        if found is not None:
            depth = len(found[1]) // 2
            path = [*path[:depth], found[2]]
            default = f"`{found[3]}`" if found[3] else ""
            if default or words:
                escaped = words.replace("|", "\\|")
                yield f"| `{'.'.join(path)}` | {default} | {escaped} |\n"
        words, begun = "", False


def _type(option: Option) -> Mapping[str, object]:
    if option.is_flag:
        return {"type": "boolean"}
    if option.multiple:
        return {"type": "array", "items": {"type": "string"}}
    if isinstance(option.type, click.Choice):
        return {"enum": list(option.type.choices)}
    if option.type is DURATION:
        return {"$ref": "#/$defs/optionDuration"}
    return {"type": "string"}


def _manual() -> Iterator[str]:
    """Yield the lines of the man page (man(7))."""
    yield f'.TH GITOPS-PREFIX 1 "" "gitops-prefix {__version__}"'
    yield from (".SH NAME", f"gitops\\-prefix \\- {_roff(_WHAT)}")
    yield from (".SH SYNOPSIS", ".B gitops\\-prefix", "COMMAND [OPTIONS] [ARGUMENTS]")
    yield from (".SH DESCRIPTION", _roff(_WHY), ".SH COMMANDS")
    for name, command in _commands(cli):
        yield from _section(name, command)
        for word, below in _commands(command):
            yield from _section(f"{name} {word}", below)
    for title, text in _ENDING.items():
        yield from (f".SH {title}", _roff(text))


def _section(name: str, command: click.Command) -> Iterator[str]:
    context = click.Context(command, info_name=name)
    usage = " ".join([name, *command.collect_usage_pieces(context)])
    yield f".SS gitops\\-prefix {_roff(usage)}"
    # "\b" keeps click from filling a paragraph again.
    text = (command.help or "").replace("\b\n", "")
    yield "\n.PP\n".join(_roff(" ".join(part.split())) for part in text.split("\n\n"))
    for parameter in command.params:
        record = parameter.get_help_record(context)
        if record is not None:
            yield from (".TP", f".B {_roff(record[0])}", _roff(" ".join(record[1].split())))


def _roff(text: str) -> str:
    """Return text in which nothing is a request or an escape of roff."""
    escaped = text.replace("\\", "\\e").replace("-", "\\-")
    return f"\\&{escaped}" if escaped.startswith((".", "'")) else escaped


_WHAT = "keeps a Git repository of Kubernetes manifests true to the current IPv6 prefix"
_WHY = (
    "A daemon watches Router Advertisements, decides which prefix is current, and writes that, and "
    "every annotated manifest that follows from it, into the repository as one commit. Argo CD or "
    "Flux applies it. The other commands do parts of that on a laptop or in a pipeline."
)
_ENDING = {
    "EXIT STATUS": "0 done; 1 the answer is no; 2 bad input, nothing changed; 3 git, the network "
    "or the cluster failed, nothing lost.",
    "ENVIRONMENT": "Every option is also the variable GITOPS_PREFIX_OPTION, with - as _. A flag "
    "counts before the variable, and the variable before the file. GITOPS_PREFIX_TOKEN, "
    "GITOPS_PREFIX_FORGE_TOKEN and GITOPS_PREFIX_NOTIFY_SECRET hold secrets where no file does. "
    "NO_COLOR is obeyed.",
    "FILES": "gitops-prefix.yaml in the working directory holds options, and settings of the "
    "repository. .gitops-prefixignore names files that are not read, as gitignore(5) does.",
    "SEE ALSO": "git(1), kubectl(1), rdisc6(8); https://gitops-prefix.github.io/gitops-prefix/",
}
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
def completion_command(*, shell: str) -> int:
    """Print the script that completes commands, options and values in SHELL."""
    kind = get_completion_class(shell)
    assert kind is not None  # noqa: S101  the choices are click's own
    click.echo(_source(kind(cli, {}, _PROGRAM, _VARIABLE)))
    return DONE


def _source(complete: ShellComplete) -> str:
    # click's own `source` for bash calls bash for its version, which need not be there.
    return complete.source_template % complete.source_vars()


def main() -> None:
    """Write what is not current."""
    for path, text in written():
        file = _ROOT / path
        if file.read_text(encoding="utf-8") != text:
            file.write_text(text, encoding="utf-8")
            click.echo(f"wrote {path}")


if __name__ == "__main__":
    main()
