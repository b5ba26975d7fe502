"""The settings of a repository for rendering, `gitops-prefix.yaml`, and the files they name."""

import re
from collections.abc import Iterator, Mapping
from typing import NamedTuple

from gitops_prefix.decide.fields import EMPTY, NO_VALUE, Fields, nearest
from gitops_prefix.decide.specification import Specification
from gitops_prefix.errors import InputError, Place, Problem, Severity
from gitops_prefix.render.files import (
    IgnoredPaths,
    PlainList,
    RepositoryFiles,
    is_yaml,
    looks_managed,
)
from gitops_prefix.render.node import MappingNode, Node, key_text, nearest_node
from gitops_prefix.render.parse import NotYamlError, locate, plain_value
from gitops_prefix.render.source import Source

SETTINGS_FILE = "gitops-prefix.yaml"
_SUBDOMAIN = re.compile(r"[a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?")


class Rewrite(NamedTuple):
    """Files whose addresses follow a DynamicPrefix.

    Attributes:
        pattern: of their paths, as in gitignore(5).
        place: of the pattern, in the settings.
    """

    pattern: str
    dynamic_prefix: str
    place: Place


class Settings(NamedTuple):
    """How a repository is rendered.

    Attributes:
        dns_annotation_prefixes: of annotations that external-dns reads; empty where the
            repository does not say.
        rewrites: files of any kind whose addresses follow, as a whole.
        lists: files that only hold the networks of a part of a prefix.
    """

    dns_annotation_prefixes: tuple[str, ...] = ()
    rewrites: tuple[Rewrite, ...] = ()
    lists: tuple[PlainList, ...] = ()

    @property
    def named(self) -> IgnoredPaths:
        """The paths of all rewrites and lists."""
        patterns = [rewrite.pattern for rewrite in self.rewrites]
        return IgnoredPaths([*patterns, *(plain_list.pattern for plain_list in self.lists)])


def read_settings(content: bytes | None) -> Settings:
    """Read the settings; without a file they are the defaults.

    Raises:
        InputError: the file is not YAML, or one of its fields is wrong.
    """
    if content is None:
        return Settings()
    try:
        source = Source.decode(SETTINGS_FILE, content)
        root = locate_settings(source)
        value = plain_value(root)
    except NotYamlError as error:
        problem = Problem("config-not-yaml", f"is not YAML: {error}", source.place(error.offset))
        raise InputError(problem) from error
    except ValueError as error:
        problem = Problem("config-not-yaml", f"is not YAML: {error}", Place(SETTINGS_FILE))
        raise InputError(problem) from error
    content_of = (
        {str(key): field for key, field in value.items()} if isinstance(value, dict) else {}
    )
    fields = Fields(content_of)
    _refuse_empty(fields, "externalDNS", "rewrite", "lists")
    prefixes = _annotation_prefixes(fields.mapping("externalDNS"))

    def place(*path: str | int) -> Place:
        return source.place(nearest_node(root, path).start) if root else Place(SETTINGS_FILE)

    rewrites = tuple(
        Rewrite(entry.text("path"), entry.text("dynamicPrefix"), place(*entry.path, "path"))
        for entry in _entries(fields, "rewrite", "path", "dynamicPrefix")
    )
    lists = tuple(
        PlainList(
            entry.text("path"),
            entry.text("dynamicPrefix"),
            _part(entry),
            place(*entry.path, "path"),
        )
        for entry in _entries(fields, "lists", "path", "dynamicPrefix", "range", "subnet")
    )
    problems = [
        Problem(problem.code, problem.message, place(*problem.path)) for problem in fields.problems
    ]
    for rewrite in rewrites:
        if not (rewrite.pattern and rewrite.dynamic_prefix):
            message = 'rewrite: write both, as in {path: "talos/**/*.j2", dynamicPrefix: home-ipv6}'
            problems.append(Problem("missing-field", message, rewrite.place))
    for plain_list in lists:
        if not (plain_list.path and plain_list.dynamic_prefix):
            message = (
                "lists: write both, as in "
                "{path: firewall/lb.txt, dynamicPrefix: home-ipv6, range: loadbalancers}"
            )
            problems.append(Problem("missing-field", message, plain_list.place))
    if problems:
        raise InputError(*problems)
    return Settings(prefixes, rewrites, lists)


def locate_settings(source: Source) -> Node | None:
    """The root node of settings, or None when they are empty.

    A manifest may have the same name, and any number of documents.

    Raises:
        InputError: there is a second document, which nothing would read.
        NotYamlError: as `locate` does.
    """
    root = locate(source.text)
    entries = root.entries if isinstance(root, MappingNode) else ()
    if {"apiVersion", "kind"} <= {key_text(entry.key) for entry in entries}:
        return root
    for span in [*source.documents()][1:]:
        if locate(source.text[span.start : span.end]) is not None:
            message = (
                "a second document begins here, and only one is read: write all settings into one, "
                "and remove this line"
            )
            # Behind `...` it begins in the next line.
            text = source.text[span.start : span.end]
            start = span.start + len(text) - len(text.lstrip("\r\n"))
            raise InputError(Problem("config-second-document", message, source.place(start)))
    return root


def _refuse_empty(fields: Fields, *keys: str) -> None:
    for key in keys:
        if key in fields.content and fields.content[key] is None:
            fields.problem(key, EMPTY, f"{NO_VALUE}: write one, or remove it")


def _annotation_prefixes(external_dns: Fields) -> tuple[str, ...]:
    """The prefixes of external-dns' annotations, each with its slash."""
    external_dns.only("annotationPrefixes")
    return external_dns.parsed_list("annotationPrefixes", _annotation_prefix)


def _annotation_prefix(text: str) -> str:
    """A prefix with its slash: a DNS subdomain (Kubernetes, "Labels and Selectors").

    Raises:
        ValueError: no annotation can begin so.
    """
    if not _SUBDOMAIN.fullmatch(text.removesuffix("/")):
        message = f'"{text}" begins no annotation: write it as in external-dns.alpha.kubernetes.io/'
        raise ValueError(message)
    return f"{text.removesuffix('/')}/"


def _entries(fields: Fields, key: str, *known: str) -> Iterator[Fields]:
    """The entries of a list; a field that nothing reads is a problem of its entry."""
    for entry in fields.mappings(key):
        entry.only(*known)
        yield entry


def _part(entry: Fields) -> str:
    """The range or the subnet of a list; empty for the whole prefix.

    A slip must not widen the list of a firewall to the whole prefix.
    """
    written = [key for key in ("range", "subnet") if key in entry]
    for key in written:
        if entry.content[key] == "":
            message = "is empty: write a name, or remove the field for the whole prefix"
            entry.problem(key, EMPTY, message)
    if len(written) > 1:
        entry.problem("subnet", "invalid-value", "range is there too: keep one of them")
    return entry.text("range") or entry.text("subnet")


class NamedFiles:
    """The files that `rewrite` and `lists` of the settings name.

    Attributes:
        names: by path, the DynamicPrefix that the addresses of a file follow; empty for two.
        lists: by path, the files that are plain lists.
        managed: the files that are named, and have annotations or markers of their own.
    """

    def __init__(self, settings: Settings, files: Mapping[str, bytes]) -> None:
        """Match every pattern with every file."""
        self._rewrites = settings.rewrites
        self._files = RepositoryFiles.of(files)
        self._skipped = {path for path, _ in self._files.skipped}
        self.names: dict[str, str] = {}
        self.lists: dict[str, PlainList] = {}
        self.managed: set[str] = set()
        self._matched: set[int] = set()
        self._found: list[Problem] = []
        for number, rewrite in enumerate(settings.rewrites):
            pattern = IgnoredPaths((rewrite.pattern,))
            for path in filter(pattern.match_file, sorted(files)):
                self._matched.add(number)
                self._name(rewrite, path)
        for plain_list in settings.lists:
            self._list(plain_list)

    def _list(self, plain_list: PlainList) -> None:
        path = plain_list.path
        if path in self._skipped:
            return  # A warning of the file itself says why.
        if self._files.leaves_out(path):
            message = (
                f'lists: "{path}" is outside of --path "{self._files.below}", and stays as it is: '
                "let another run write it, or name a directory that holds it"
            )
            place = plain_list.place
            self._found.append(Problem("skipped-file", message, place, Severity.WARNING))
        elif path not in self._files:
            message = (
                f'lists: "{path}" is not there, or is not read: make an empty file there, and add '
                "it to git (write its path from the root of the repository; a link and an ignored "
                "file are not read)"
            )
            self._found.append(Problem("list-missing", message, plain_list.place))
        elif path in self.names or path in self.lists or path == SETTINGS_FILE:
            message = f'lists: "{path}" is named twice here: keep one of the entries'
            self._found.append(Problem("rewrite-twice", message, plain_list.place))
            self.names[path] = ""
        elif is_yaml(path):
            message = f'lists: "{path}" is YAML: name a text file, as in firewall/lb.txt'
            self._found.append(Problem("list-of-yaml", message, plain_list.place))
        else:
            self.lists[path] = plain_list

    def _name(self, rewrite: Rewrite, path: str) -> None:
        before = self.names.get(path)
        if path == SETTINGS_FILE or (is_yaml(path) and looks_managed(self._files[path], path)):
            message = (
                f'rewrite: "{rewrite.pattern}" also matches {path}, which is managed by its own '
                "annotations or markers: name other files, or remove these"
            )
            self._found.append(Problem("rewrite-managed", message, rewrite.place))
            self.managed.add(path)
        elif before is not None and before != rewrite.dynamic_prefix:
            message = (
                f'rewrite: "{rewrite.pattern}" also matches {path}, which follows {before}: '
                "let one pattern match it"
            )
            self._found.append(Problem("rewrite-twice", message, rewrite.place))
            self.names[path] = ""
        else:
            self.names[path] = rewrite.dynamic_prefix

    def problems(self) -> Iterator[Problem]:
        """What is wrong with the patterns."""
        yield from self._found
        for number, rewrite in enumerate(self._rewrites):
            pattern = IgnoredPaths((rewrite.pattern,))
            if number in self._matched or any(map(pattern.match_file, self._skipped)):
                continue
            below = self._files.below
            message = (
                f'rewrite: "{rewrite.pattern}" matches no file below --path "{below}": another run '
                "may have files for it"
                if below
                else f'rewrite: "{rewrite.pattern}" matches no file: correct it (it has the syntax '
                "of gitignore, from the root of the repository), or remove it"
            )
            yield Problem("rewrite-nothing", message, rewrite.place, Severity.WARNING)

    def unknown(self, known: Mapping[str, Specification]) -> Iterator[Problem]:
        """An error for each DynamicPrefix that is not there."""
        for rewrite in self._rewrites:
            name = rewrite.dynamic_prefix
            if name not in known:
                message = (
                    f'rewrite: DynamicPrefix "{name}" is not in the repository (it has: '
                    f"{', '.join(known) or 'none'}){nearest(name, [*known])}"
                )
                yield Problem("unknown-dynamic-prefix", message, rewrite.place)
