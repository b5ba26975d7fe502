"""The settings of a repository for rendering: `gitops-prefix.yaml` at its root."""

from typing import NamedTuple

from gitops_prefix.decide.fields import Fields
from gitops_prefix.errors import InputError, Place, Problem
from gitops_prefix.render.parse import NotYamlError, locate, plain_value
from gitops_prefix.render.source import Source

SETTINGS_FILE = "gitops-prefix.yaml"


class Settings(NamedTuple):
    """How a repository is rendered.

    Attributes:
        dns_annotation_prefixes: of annotations that external-dns reads; empty where the
            repository does not say.
    """

    dns_annotation_prefixes: tuple[str, ...] = ()


def read_settings(content: bytes | None) -> Settings:
    """Read the settings; without a file they are the defaults.

    Raises:
        InputError: the file is not YAML, or one of its fields is wrong.
    """
    if content is None:
        return Settings()
    try:
        source = Source.decode(SETTINGS_FILE, content)
        value = plain_value(locate(source.text))
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
    if fields.problems:
        place = Place(SETTINGS_FILE)
        raise InputError(
            *(Problem(problem.code, problem.message, place) for problem in fields.problems)
        )
    return Settings(dns_annotation_prefixes=prefixes)
