"""A Git host that announces more than anybody wants, or sends it: git ends, and we stay small."""

import resource
import sys

import pytest

from gitops_prefix.publish.credentials import SshKey
from gitops_prefix.publish.failure import FailedError, Reason
from gitops_prefix.publish.repository import TimeLimits
from tests.branch import opened
from tests.git_servers import ssh_remote
from tests.publish.failing import away

HOST = """#!{python}
import itertools, os, re, shlex, subprocess, sys
from pathlib import Path
def send(data):
    while data:
        data = data[os.write(1, data):]
def packet(data):
    send(b"%04x" % (len(data) + 4) + data)
def read_to(end):
    heard = b""
    while end not in heard:
        heard += os.read(0, 65536) or sys.exit(0)
    return heard
service, directory = shlex.split(os.environ["SSH_ORIGINAL_COMMAND"])
environment = {{k: v for k, v in os.environ.items() if k != "GIT_PROTOCOL"}}
advertise = [service, "--advertise-refs", directory]
send(subprocess.run(advertise, capture_output=True, env=environment).stdout)
wants = read_to(b"0000")
if b"want " in wants:
    packet(b"shallow " + re.search(rb"want (\\w+)", wants)[1] + b"\\n")
    send(b"0000")
    read_to(b"done")
    packet(b"NAK\\n")
    for chunk in {pack}:
        packet(b"\\x01" + chunk)
"""
HEAD = 'b"PACK\\0\\0\\0\\x02" + (%d).to_bytes(4, "big")'
# Type and length of an object of 10 GiB (gitformat-pack), and blocks that deflate stores.
COMMIT, BLOB = r'b"\x90\x80\x80\x80\xc0\x02\x78\x01"', r'b"\xb0\x80\x80\x80\xc0\x02\x78\x01"'
STORED = '(b"\\0" + (60000).to_bytes(2, "little") + (5535).to_bytes(2, "little") + bytes(60000))'
PACKS = {
    "more objects than memory": (f"[{HEAD % (2**28)}]", "git may take 256 MiB"),
    "a commit of 10 GiB": (f"[{HEAD % 1} + {COMMIT}]", "git may take 256 MiB"),
    "a file of 10 GiB that comes": (
        f"itertools.chain([{HEAD % 1} + {BLOB}], itertools.repeat({STORED}))",
        "the server sends a pack of more than 1048576 bytes",
    ),
}


@pytest.mark.parametrize(("pack", "words"), PACKS.values(), ids=PACKS)
def test_a_pack_that_is_too_large_ends_in_words_of_its_own(tmp_path, pack, words):
    with ssh_remote(tmp_path) as server:
        directory = server.directory
        allowed = (directory / "authorized_keys").read_text()
        host = tmp_path / "host"
        host.write_text(HOST.format(python=sys.executable, pack=pack))
        host.chmod(0o755)
        (directory / "authorized_keys").write_text(f'command="{host}" {allowed}')
        key = SshKey(directory / "deploy", directory / "known_hosts")
        limits = TimeLimits(pack=1024**2)
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        with opened(tmp_path / "clone", server.url, credentials=key, limits=limits) as repository:
            with pytest.raises(FailedError, check=away) as error:
                repository.fetch()
            assert words in str(error.value)
            assert error.value.failed.reason is Reason.SERVER
            (directory / "authorized_keys").write_text(allowed)
            assert repository.fetch()
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 20 * 1024
    assert not [*(tmp_path / "clone").rglob("tmp_*")]
