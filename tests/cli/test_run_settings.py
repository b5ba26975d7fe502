"""What the page shows of the options: each value, and nothing that is a secret."""

from datetime import timedelta
from pathlib import Path

from gitops_prefix.cli.run import read_remedies, shown_settings
from gitops_prefix.cli.settings import (
    CredentialSettings,
    NoticeSettings,
    PaceSettings,
    RepositorySettings,
    RunSettings,
)

SECRETS = ("s3cret", "T0/B0", "hook/DIGEST")


def shown(**sections) -> dict[str, str]:
    return {setting.name: setting.value for setting in shown_settings(RunSettings(**sections))}


def test_no_secret_is_shown():
    settings = shown(
        repository=RepositorySettings(repo="https://robot:s3cret@git.example.com/home.git"),
        credentials=CredentialSettings(token_file=Path("/run/token")),
        notices=NoticeSettings(
            notify=(
                "slack=https://hooks.slack.com/services/T0/B0/XXXX",
                "flux=http://user:s3cret@receiver.flux-system/hook/DIGEST",
                "hmac=not a url s3cret",
            )
        ),
    )
    assert not [text for text in settings.values() for secret in SECRETS if secret in text]
    assert settings["--repo"] == "https://git.example.com/home.git"
    assert settings["--token-file"] == "/run/token"
    assert settings["--notify"].startswith("slack=https://hooks.slack.com/…, flux=http://receiver")


def test_values_are_written_as_on_the_command_line():
    settings = shown(
        pace=PaceSettings(settle=timedelta(seconds=0.2), interval=timedelta(minutes=5))
    )
    assert (settings["--settle"], settings["--interval"]) == ("0.2s", "5m")
    assert settings["--events"] == "no"
    assert "--ssh-key" not in settings, "what is not given is not shown"


def test_each_code_has_its_remedy():
    """As docs/problems.md has it, which the wheel ships."""
    remedies = read_remedies()
    assert {"not-yaml", "duplicate-dynamic-prefix", "no-such-link", "outside"} <= remedies.keys()
    assert remedies["does-not-fit"] == "shorten the host part, or set delegatedPrefixLength"
    assert not [text for text in remedies.values() if "](" in text or not text]
