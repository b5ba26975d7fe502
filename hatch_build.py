"""A hook of the build: a wheel holds the commit that it is made from, where that is known."""

import os
import sys
import tempfile
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface


class CommitHook(BuildHookInterface[Any]):
    """Put the file `gitops_prefix/COMMIT` into a wheel; `gitops-prefix --version` reads it."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Add the file, unless the commit is unknown or the wheel only points at a checkout."""
        sys.path.insert(0, self.root)
        from gitops_prefix import head_of  # noqa: PLC0415  from the source that is built

        commit = os.environ.get("GITOPS_PREFIX_COMMIT", "") or head_of(f"{self.root}/.git")
        if commit and version != "editable":
            file = Path(tempfile.mkdtemp(prefix="gitops-prefix-build-")) / "COMMIT"
            file.write_text(f"{commit}\n", encoding="ascii")
            build_data["force_include"][str(file)] = "gitops_prefix/COMMIT"
