"""What `gitops-prefix.yaml` at the repository's root says about rendering."""

from dataclasses import dataclass

from gitops_prefix.decide.fields import Fields
from gitops_prefix.errors import InputError, Place, Problem
from gitops_prefix.render.locate import NotYamlError, locate
from gitops_prefix.render.plain_value import plain_value
from gitops_prefix.render.source import Source

SETTINGS_FILE = "gitops-prefix.yaml"
_PREFIXES = ("external-dns.alpha.kubernetes.io/",)


@dataclass(frozen=True, slots=True)
class Settings:
    """How a repository wants to be rendered.

    Attributes:
        dns_annotation_prefixes: what external-dns reads, for Services that have no
            target annotation yet.
    """

    dns_annotation_prefixes: tuple[str, ...] = _PREFIXES


def read_settings(content: bytes | None) -> Settings:
    """Read the settings; no file is the defaults.

    Raises:
        InputError: it is no YAML, or says something that cannot be meant.
    """
    if content is None:
        return Settings()
    try:
        source = Source.decode(SETTINGS_FILE, content)
        value = plain_value(locate(source.text))
    except NotYamlError as error:
        problem = Problem("config-not-yaml", f"is no YAML: {error}", source.place(error.offset))
        raise InputError(problem) from error
    except ValueError as error:
        problem = Problem("config-not-yaml", f"is no YAML: {error}", Place(SETTINGS_FILE))
        raise InputError(problem) from error
    fields = Fields(value if isinstance(value, dict) else {})
    external = fields.mapping("externalDNS")
    prefixes = tuple(text for _, text in external.texts("annotationPrefixes"))
    if fields.problems:
        raise InputError(
            *(Problem(one.code, one.message, Place(SETTINGS_FILE)) for one in fields.problems)
        )
    return Settings(dns_annotation_prefixes=prefixes or _PREFIXES)
