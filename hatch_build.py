"""A hook of the build: a wheel holds its commit, and its YAML in one archive."""

import os
import sys
import tempfile
from pathlib import Path
from typing import Any
from zipfile import ZIP_DEFLATED, ZipFile, ZipInfo

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

SHIPPED = ("templates", "examples/plain")
"""In a wheel they are no files: `gitops-prefix validate` reads every YAML file below it, also in a
virtual environment."""


class CommitHook(BuildHookInterface[Any]):
    """Put `gitops_prefix/COMMIT`, for `gitops-prefix --version`, and `shipped.zip` into a wheel."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Add the files, unless the wheel only points at a checkout."""
        sys.path.insert(0, self.root)
        from gitops_prefix import head_of  # noqa: PLC0415  from the source that is built

        commit = os.environ.get("GITOPS_PREFIX_COMMIT", "") or head_of(f"{self.root}/.git")
        if version == "editable":
            return
        directory = Path(tempfile.mkdtemp(prefix="gitops-prefix-build-"))
        self._pack(directory / "shipped.zip")
        build_data["force_include"][str(directory / "shipped.zip")] = "gitops_prefix/shipped.zip"
        if commit:
            (directory / "COMMIT").write_text(f"{commit}\n", encoding="ascii")
            build_data["force_include"][str(directory / "COMMIT")] = "gitops_prefix/COMMIT"

    def _pack(self, archive: Path) -> None:
        """Pack what is shipped; the same files make the same bytes."""
        root = Path(self.root)
        with ZipFile(archive, "w", ZIP_DEFLATED) as files:
            for path in sorted(path for name in SHIPPED for path in (root / name).rglob("*")):
                if path.is_file():
                    entry = ZipInfo(path.relative_to(root).as_posix())
                    files.writestr(entry, path.read_bytes(), ZIP_DEFLATED)
