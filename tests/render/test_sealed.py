"""Documents that SOPS seals are left alone where an edit would keep them from being decrypted."""

import os
import subprocess
from pathlib import Path

import pytest

from gitops_prefix.decide.transition import Choice, advance
from gitops_prefix.errors import Place
from gitops_prefix.render.reading import read_inventory
from gitops_prefix.render.rendering import Rendering, render
from gitops_prefix.render.settings import Rewrite, Settings
from tests.parts import require
from tests.render.repository import NOON, PREFIX, A, B, render_once

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
    "it is empty, and a neighbour is encrypted": (
        "a.yaml",
        PART + "sops:\n  mac: ENC[x]\n  mac_only_encrypted: true\n",
    ),
    "an empty item beside a list of secrets": (
        "a.yaml",
        'b:\n- [\'ENC[x]\']\n- ""  # {"$dynamicprefix": "home:prefix"}\n'
        "sops:\n  mac: ENC[x]\n  mac_only_encrypted: true\n",
    ),
    "a mapping with a secret": (
        "a.yaml",
        'b:  # {"$dynamicprefix": "home:rewrite"}\n  c: ENC[x]\n  d: 2001:db8:a::1\n'
        "sops:\n  mac: ENC[x]\n  mac_only_encrypted: true\n",
    ),
    "an encrypted value that a marker would replace": (
        "a.yaml",
        MARKED.replace('""', "ENC[x]") + "sops:\n  mac: ENC[x]\n  mac_only_encrypted: true\n",
    ),
    "an .env file": (".env", TEXT + "sops_mac=ENC[x]\n"),
    "an INI file": ("a.ini", TEXT + "[sops]\nmac = ENC[x]\n"),
    "JSON": ("a.json5", TEXT + '{"sops": {\n"x": 1, "mac": "ENC[x]"}}\n'),
    "YAML in a text": ("a.yaml.j2", TEXT + "a: 1\nsops:\n  age:\n    - x\n  mac: ENC[x]\n"),
}


@pytest.mark.parametrize(("path", "text"), SEALED.values(), ids=SEALED)
def test_a_sealed_document_stays_with_a_warning(path: str, text: str):
    rendering = render_once({"home.yaml": PREFIX, path: text.encode()}, A)
    assert [(problem.code, problem.severity) for problem in rendering.problems] == [
        ("sealed", "warning")
    ]
    assert path not in rendering.files


ONLY_SECRETS = "sops:\n  mac: ENC[x]\n  mac_only_encrypted: true\n"
OPEN = {
    "no MAC": MARKED + "sops: {}\n",
    "another meaning of sops": MARKED + "sops: true\n",
    "a plain field, and plain values are not covered": (
        "x:\n  " + MARKED + "b: {c: 'ENC[x]'}\n" + ONLY_SECRETS
    ),
    "a plain value beside an encrypted one": (
        PART.replace('""', '"2001:db8:b::/64"') + ONLY_SECRETS
    ),
    "another document": "b: 1\nsops:\n  mac: ENC[x]\n---\n" + MARKED,
}


@pytest.mark.parametrize("text", OPEN.values(), ids=OPEN)
def test_any_other_document_follows(text: str):
    rendering = render_once({"home.yaml": PREFIX, "a.yaml": text.encode()}, A)
    assert rendering.problems == ()
    after = text.replace('a: ""', 'a: "2001:db8:a::/64"').replace("db8:b::", "db8:a::")
    assert rendering.files["a.yaml"].decode() == after


OPEN_TEXTS = {
    ".env": TEXT + "sops_mac=ENC[x]\nsops_mac_only_encrypted=true\n",
    "a.ini": TEXT + "[sops]\nmac = ENC[x]\nmac_only_encrypted   = true\n",
    "a.json5": TEXT + '{"sops": {"mac": "ENC[x]", "mac_only_encrypted": true}}\n',
    "a.yaml.j2": TEXT + ONLY_SECRETS,
    "notes.txt": TEXT + "# sops seals this some day\n",
}


@pytest.mark.parametrize(("path", "text"), OPEN_TEXTS.items(), ids=OPEN_TEXTS)
def test_a_text_follows_where_the_mac_covers_only_secrets(path: str, text: str):
    files = {"home.yaml": PREFIX, path: text.encode()}
    files |= render_once(files, A).files
    assert render_once(files, B).files[path].decode() == text.replace("db8:a:", "db8:b:")


# Made for this test by age-keygen; nothing else was ever sealed with it.
KEY = "AGE-SECRET-KEY-1XR7NQ8VX4Q884Z5ET4WGLCGZJ549GG3N354X9XA6P8EMMGRMA2VQ9XH4SV"
RECIPIENT = "age1p9f6yylxgew4g55fzk79l7ce22av7q9q504xglv80gewkk2m0fvsh5ffec"
NETWORK = "2001:db8:a::"
HOUSE = """\
# the house
apiVersion: v1
kind: Secret
metadata:
  name: plex
stringData:
  host: "2001:db8:a::10" # {"$dynamicprefix": "home:address:::10"}
  url: https://[2001:db8:a::10]:32400 # {"$dynamicprefix": "home:rewrite"}
  password: hunter2
  empty: ""
plain:
  host: 2001:db8:a::11 # {"$dynamicprefix": "home:address:::11"}
"""
OTHERS = {
    "a.env": "HOST=2001:db8:a::10\npassword=hunter2\n",
    "a.ini": "[a]\nHOST = 2001:db8:a::10\npassword = hunter2\n",
    "a.json": '{"host": "2001:db8:a::10", "password": "hunter2"}',
}


def sops(folder: Path, *arguments: str) -> str:
    """Run SOPS as a person does; raises when it refuses."""
    program = Path(os.environ["NEIGHBOURS"]) / "sops"
    environment = {"SOPS_AGE_KEY": KEY, "HOME": str(folder), "PATH": os.environ["PATH"]}
    done = subprocess.run(
        [program, *arguments], cwd=folder, env=environment, capture_output=True, check=True
    )
    return done.stdout.decode()


def sealed(folder: Path, name: str, text: str, rule: str) -> bytes:
    (folder / ".sops.yaml").write_text(f"creation_rules:\n- {{age: {RECIPIENT}, {rule}}}\n")
    (folder / name).write_text(text)
    return sops(folder, "encrypt", name).encode()


def followed(name: str, content: bytes) -> Rendering:
    """A file that has no markers is named in the settings."""
    rewrite = Rewrite(name, "home", Place("gitops-prefix.yaml", 1, 1))
    settings = Settings() if name.endswith(".yaml") else Settings(rewrites=(rewrite,))
    files, rendering = {"home.yaml": PREFIX, name: content}, Rendering()
    for prefix in (A, B):
        inventory = read_inventory(files, settings)
        statuses = {
            key: advance(document.specification, document.status, Choice(prefix), NOON)
            for key, document in inventory.dynamic_prefixes.items()
        }
        rendering = render(inventory, statuses)
        files |= rendering.files
    return rendering


SECRETS = "encrypted_regex: ^(stringData|password)$"
ONLY = "mac_only_encrypted: true"
SEALED_BY_SOPS = {
    "the whole": ("a.yaml", HOUSE, "unencrypted_suffix: _never"),
    "a part": ("a.yaml", HOUSE, SECRETS),
    "secrets alone": ("a.yaml", HOUSE, "encrypted_regex: ^password$"),
    "the whole, and the MAC is of secrets": (
        "a.yaml",
        HOUSE,
        f"unencrypted_suffix: _never, {ONLY}",
    ),
    "a part, and the MAC is of secrets": ("a.yaml", HOUSE, f"{SECRETS}, {ONLY}"),
    "secrets alone, and the MAC is of them": ("a.yaml", HOUSE, f"encrypted_regex: ^pass, {ONLY}"),
    **{name: (name, text, SECRETS) for name, text in OTHERS.items()},
    **{f"{name} of secrets": (name, text, f"{SECRETS}, {ONLY}") for name, text in OTHERS.items()},
}


@pytest.mark.parametrize(("name", "text", "rule"), SEALED_BY_SOPS.values(), ids=[*SEALED_BY_SOPS])
def test_what_sops_sealed_still_decrypts(name: str, text: str, rule: str, tmp_path: Path):
    require("sops")
    content = sealed(tmp_path, name, text, rule)
    plain = content.decode().partition("sops")[0].count(NETWORK)
    rendering = followed(name, content)
    after = rendering.files.get(name, content)
    (tmp_path / name).write_bytes(after)
    opened = sops(tmp_path, "decrypt", name)
    assert "hunter2" in opened
    moves = plain > 0 and ONLY in rule
    assert (after != content, opened.count("2001:db8:b::")) == (moves, plain if moves else 0)
    assert [problem.code for problem in rendering.problems] == ["sealed"] * (
        plain > 0 and not moves
    )


def test_an_edit_of_a_plain_value_is_what_sops_refuses(tmp_path: Path):
    """Which is why such a document is left alone."""
    require("sops")
    content = sealed(tmp_path, "a.yaml", HOUSE, SECRETS)
    (tmp_path / "a.yaml").write_bytes(content.replace(b"2001:db8:a::11", b"2001:db8:b::11"))
    with pytest.raises(subprocess.CalledProcessError) as refused:
        sops(tmp_path, "decrypt", "a.yaml")
    assert b"MAC mismatch" in refused.value.stderr
