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
    "nothing below": (b"externalDNS: {}\nrewrite: []\nlists: []\n", DEFAULT),
    "a prefix without its slash": (b"externalDNS: {annotationPrefixes: [a.b-c]}\n", ("a.b-c/",)),
    "a manifest of that name": (
        b"apiVersion: v1\nkind: Namespace\n---\napiVersion: v1\nkind: Service\n",
        DEFAULT,
    ),
    "marks of an only document": (b"# a\n---\nbranch: main\n...\n# b\n---\n---\n", DEFAULT),
    "prefixes": (b"externalDNS:\n  annotationPrefixes: [a/, b/]\n", ("a/", "b/")),
}


@pytest.mark.parametrize(("content", "prefixes"), READ.values(), ids=READ)
def test_the_prefixes_of_external_dns_are_read(content: bytes | None, prefixes: tuple[str, ...]):
    assert read_settings(content) == Settings(prefixes)


REFUSED = {
    "no YAML": (b"a: [\n", "gitops-prefix.yaml:2:1: is not YAML: "),
    "a second document": (
        b"a: 1\n---\n# none\n---\nlists: []\n",
        "gitops-prefix.yaml:4:1: a second document begins here, and only one is read",
    ),
    "a document behind the end of one": (
        b"a: 1\n...\n---\nlists: []\n",
        "gitops-prefix.yaml:3:1: a second",
    ),
    "a document behind an empty one": (
        b"---\n---\nlists: []\n",
        "gitops-prefix.yaml:2:1: a second",
    ),
    "an alias without an anchor": (b"a: *x\n", "gitops-prefix.yaml: is not YAML: *x has no anchor"),
    "a wrong type": (
        b"externalDNS: {annotationPrefixes: text}\n",
        "gitops-prefix.yaml:1:35: externalDNS.annotationPrefixes: 'text' is not a list",
    ),
    "a value that was forgotten": (
        b"externalDNS: {annotationPrefixes: }\n",
        "gitops-prefix.yaml:1:35: externalDNS.annotationPrefixes: has no value behind its colon",
    ),
    "a field that nothing reads": (
        b"externalDNS:\n  annotationPrefixes: [a/]\n  annotationPrefix: [b/]\n",
        "gitops-prefix.yaml:3:21: externalDNS.annotationPrefix: gitops-prefix reads no such field. "
        'Did you mean "annotationPrefixes"?',
    ),
    "nothing behind a key": (b"x: 1\nrewrite:\n", "gitops-prefix.yaml:2:9: rewrite: has no value"),
    "lists of nothing": (b"lists: ~\n", "gitops-prefix.yaml:1:8: lists: has no value"),
    "no settings of DNS": (b"externalDNS:\n", "gitops-prefix.yaml:1:13: externalDNS: has no value"),
    "an empty prefix": (
        b"externalDNS: {annotationPrefixes: [a/, '']}\n",
        'gitops-prefix.yaml:1:40: externalDNS.annotationPrefixes[1]: "" begins no annotation',
    ),
    "a whole annotation": (
        b"externalDNS: {annotationPrefixes: [a/target]}\n",
        'gitops-prefix.yaml:1:36: externalDNS.annotationPrefixes[0]: "a/target" begins no',
    ),
    "a prefix that is a number": (
        b"externalDNS: {annotationPrefixes: [5]}\n",
        "gitops-prefix.yaml:1:36: externalDNS.annotationPrefixes[0]: 5 is not a string",
    ),
}


@pytest.mark.parametrize(("content", "said"), REFUSED.values(), ids=REFUSED)
def test_what_is_wrong_is_refused(content: bytes, said: str):
    with pytest.raises(InputError) as refused:
        read_settings(content)
    assert str(refused.value).startswith(said)
