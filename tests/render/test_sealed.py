"""Documents that SOPS seals are left alone: an edit would keep them from being decrypted."""

import pytest

from tests.render.repository import PREFIX, A, render_once

MARKED = 'a: ""  # {"$dynamicprefix": "home:prefix"}\n'
VARIABLES = (
    "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: a\n  annotations:\n    dynamic-prefix.io/name: home\n"
    '    dynamic-prefix.io/variables: "true"\ndata:\n  A: ENC[AES256_GCM,data:x]\n'
)
PART = "b:\n  c: ENC[AES256_GCM,data:x]\n  " + MARKED
TEXT = '2001:db8:a::1 # {"$dynamicprefix": "home:rewrite"}\n'
SEALED = {
    "a value": ("a.yaml", MARKED + "sops:\n  mac: ENC[x]\n"),
    "variables": ("a.yaml", VARIABLES + "sops:\n  mac: ENC[x]\n"),
    "plain values are not covered, but the field is among encrypted ones": (
        "a.yaml",
        VARIABLES + "sops:\n  mac: ENC[x]\n  mac_only_encrypted: true\n",
    ),
    "a neighbour is encrypted": (
        "a.yaml",
        PART + "sops:\n  mac: ENC[x]\n  mac_only_encrypted: true\n",
    ),
    "a list of secrets": (
        "a.yaml",
        'b:\n- [\'ENC[x]\']\n- ""  # {"$dynamicprefix": "home:prefix"}\n'
        "sops:\n  mac: ENC[x]\n  mac_only_encrypted: true\n",
    ),
    "an .env file": (".env", TEXT + "sops_mac=ENC[x]\n"),
    "an INI file": ("a.ini", TEXT + "[sops]\nmac = ENC[x]\n"),
    "JSON": ("a.json5", TEXT + '{"sops": {\n"x": 1, "mac": "ENC[x]"}}\n'),
}


@pytest.mark.parametrize(("path", "text"), SEALED.values(), ids=SEALED)
def test_a_sealed_document_stays_with_a_warning(path: str, text: str):
    rendering = render_once({"home.yaml": PREFIX, path: text.encode()}, A)
    assert [(problem.code, problem.severity) for problem in rendering.problems] == [
        ("sealed", "warning")
    ]
    assert path not in rendering.files


OPEN = {
    "no MAC": MARKED + "sops: {}\n",
    "another meaning of sops": MARKED + "sops: true\n",
    "a plain field, and plain values are not covered": (
        "x:\n  " + MARKED + "b: {c: 'ENC[x]'}\nsops:\n  mac: ENC[x]\n  mac_only_encrypted: true\n"
    ),
    "another document": "b: 1\nsops:\n  mac: ENC[x]\n---\n" + MARKED,
}


@pytest.mark.parametrize("text", OPEN.values(), ids=OPEN)
def test_any_other_document_follows(text: str):
    rendering = render_once({"home.yaml": PREFIX, "a.yaml": text.encode()}, A)
    assert rendering.problems == ()
    assert rendering.files["a.yaml"].decode() == text.replace('a: ""', 'a: "2001:db8:a::/64"')
