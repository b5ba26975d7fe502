"""The source `file`, with the program itself: no link, no capability, no root."""

import subprocess
from pathlib import Path

import pytest

from tests.sourced import PROGRAM, Sourced

A, B, C = "2001:db8:aa00::/64", "2001:db8:bb00::/64", "2001:db8:cc00::/64"


@pytest.fixture
def told(tmp_path: Path) -> Path:
    """The file that the house follows; its directory is the daemon's --source-dir."""
    (tmp_path / "source").mkdir()
    return tmp_path / "source" / "prefix"


@pytest.fixture
def house(told: Path, tmp_path: Path) -> Sourced:
    return Sourced(tmp_path, f"file:\n  path: {told}\n")


def test_a_daemon_publishes_a_change_of_the_file_however_it_is_written(house, told):
    told.write_text(f"{A}\n")
    with house.running("--source-dir", str(told.parent)):
        assert house.published(A).endswith("Prefix-Source: file")
        told.write_text(f"{B} 86400 14400\n")
        assert house.published(B).endswith("Prefix-Source: file")
        told.write_text("2001:db8::1/64\n")
        assert house.reported("does not count: line 1: '2001:db8::1/64' has bits set") == 1
        (told.parent / "new").write_text(f"{C}\n")
        (told.parent / "new").rename(told)
        house.published(C)
    status = house.show("prefix.yaml")
    assert "prefixSource: file" in status
    assert status.index(C) < status.index(B) < status.index(A)


def test_once_publishes_what_the_file_holds_and_keeps_it_without_the_file(house, told):
    told.write_text(A)
    options = ("--source-dir", str(told.parent), "--once")
    answer = house.run(*options)
    assert answer.returncode == 0, answer.stderr
    house.log.write_text(answer.stderr)
    assert house.published(A).endswith("Prefix-Source: file")
    told.unlink()
    answer = house.run(*options, "--wait", "1s")
    assert answer.returncode == 0, answer.stderr
    assert "No such file or directory" in answer.stderr
    house.published(A)


@pytest.mark.parametrize(
    ("content", "code", "words_"), [(f"{A}\n", 0, f"holds {A}"), ("", 1, "no prefix")]
)
def test_doctor_tries_the_file(house, told, content, code, words_):
    told.write_text(content)
    command = [*PROGRAM, "doctor", "--source-dir", str(told.parent), str(house.tree)]
    answer = subprocess.run(command, check=False, capture_output=True, text=True, timeout=120)
    assert answer.returncode == code, answer.stdout
    assert f"the file {told}; " in answer.stdout
    assert words_ in answer.stdout
