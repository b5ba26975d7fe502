"""The settings of a repository for rendering: `gitops-prefix.yaml` at its root."""

from typing import NamedTuple

from gitops_prefix.decide.fields import Fields
from gitops_prefix.errors import InputError, Place, Problem
from gitops_prefix.render.files import IgnoredPaths
from gitops_prefix.render.node import nearest_node
from gitops_prefix.render.parse import NotYamlError, locate, plain_value
from gitops_prefix.render.source import Source

SETTINGS_FILE = "gitops-prefix.yaml"


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
    """

    dns_annotation_prefixes: tuple[str, ...] = ()
    rewrites: tuple[Rewrite, ...] = ()

    @property
    def named(self) -> IgnoredPaths:
        """The paths of all rewrites."""
        return IgnoredPaths(rewrite.pattern for rewrite in self.rewrites)


def read_settings(content: bytes | None) -> Settings:
    """Read the settings; without a file they are the defaults.

    Raises:
        InputError: the file is not YAML, or one of its fields is wrong.
    """
    if content is None:
        return Settings()
    try:
        source = Source.decode(SETTINGS_FILE, content)
        root = locate(source.text)
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
    written = fields.mapping("externalDNS").texts("annotationPrefixes")
    prefixes = tuple(f"{text.removesuffix('/')}/" for _, text in written)

    def place(*path: str | int) -> Place:
        return source.place(nearest_node(root, path).start) if root else Place(SETTINGS_FILE)

    rewrites = tuple(
        Rewrite(entry.text("path"), entry.text("dynamicPrefix"), place(*entry.path, "path"))
        for entry in fields.mappings("rewrite")
    )
    problems = [
        Problem(problem.code, problem.message, place(*problem.path)) for problem in fields.problems
    ]
    for rewrite in rewrites:
        if not (rewrite.pattern and rewrite.dynamic_prefix):
            message = 'rewrite: write both, as in {path: "talos/**/*.j2", dynamicPrefix: home-ipv6}'
            problems.append(Problem("missing-field", message, rewrite.place))
    if problems:
        raise InputError(*problems)
    return Settings(prefixes, rewrites)
