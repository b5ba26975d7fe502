"""A DynamicPrefix whose source is `static`: no link, no capability, no root."""

from pathlib import Path

from tests.gitrepo import git

A, B = "2001:db8:1234::/64", "2001:db8:5678::/64"


def fixed(tree: Path, prefix: str) -> None:
    """Write a static prefix in place of the link, or of the last one."""
    path = tree / "prefix.yaml"
    text = path.read_text().replace(
        "routerAdvertisement:\n      interface: eth0", f'static:\n      prefix: "{A}"'
    )
    path.write_text(text.replace(f'prefix: "{A}"', f'prefix: "{prefix}"', 1))
    git(tree, "commit", "-qam", f"static {prefix}")
    git(tree, "push", "-q", "origin", "main")
