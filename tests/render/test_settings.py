"""gitops-prefix.yaml at the root of a repository."""

import pytest

from gitops_prefix.errors import InputError
from gitops_prefix.render.settings import Settings, read_settings

DEFAULT = ()
"""Where nothing is said, both prefixes of external-dns are written."""
READ = {
    "no file": (None, DEFAULT),
    "an empty file": (b"", DEFAULT),
    "options of the command alone": (b"branch: main\n", DEFAULT),
    "no prefixes": (b"externalDNS: {annotationPrefixes: []}\n", DEFAULT),
    "a value that was forgotten": (b"externalDNS: {annotationPrefixes: }\n", DEFAULT),
    "prefixes and a word for people": (
        b"externalDNS: {annotationPrefixes: [a/], note: x}\n",
        ("a/",),
    ),
    "prefixes": (b"externalDNS:\n  annotationPrefixes: [a/, b/]\n", ("a/", "b/")),
}


@pytest.mark.parametrize(("content", "prefixes"), READ.values(), ids=READ)
def test_the_prefixes_of_external_dns_are_read(content: bytes | None, prefixes: tuple[str, ...]):
    assert read_settings(content) == Settings(prefixes)


REFUSED = {
    "no YAML": (b"a: [\n", "gitops-prefix.yaml:2:1: is not YAML: "),
    "an alias without an anchor": (b"a: *x\n", "gitops-prefix.yaml: is not YAML: *x has no anchor"),
    "a wrong type": (
        b"externalDNS: {annotationPrefixes: text}\n",
        "gitops-prefix.yaml:1:35: externalDNS.annotationPrefixes: 'text' is not a list",
    ),
}


@pytest.mark.parametrize(("content", "said"), REFUSED.values(), ids=REFUSED)
def test_what_is_wrong_is_refused(content: bytes, said: str):
    with pytest.raises(InputError) as refused:
        read_settings(content)
    assert str(refused.value).startswith(said)
