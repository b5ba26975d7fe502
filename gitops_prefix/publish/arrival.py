"""How a tip arrives: its commit and trees first, then the file contents that are searched.

A large repository is mostly what nobody here reads. `TIP` moves in one step when all
that is needed has come, so that a line that breaks off in between leaves the old tip.
"""

from collections.abc import Mapping

from gitops_prefix.publish.clone import Clone
from gitops_prefix.publish.managed_files import Scope
from gitops_prefix.publish.missing_blobs import MissingBlobs, find_missing_blobs
from gitops_prefix.publish.refs import INCOMING, TIP, References
from gitops_prefix.publish.remote import Leave, Remote


class Arrival:
    """Brings the branch's tip into the clone."""

    def __init__(self, remote: Remote, clone: Clone, scope: Scope, references: References) -> None:
        self._remote = remote
        self._git = clone.git()
        self._references = references
        self._scope = scope
        # Another process of ours may have left anything, and searched elsewhere.
        self._complete = False
        self._leave = Leave.CONTENTS

    def fetch(self, *, depth: int) -> None:
        """Bring the branch's last `depth` commits, and let `TIP` be the last of them.

        Raises:
            FailedError: as `Remote.tip` does.
            GitFailedError: the clone is damaged.
        """
        self._remote.fetch(depth=depth, into=INCOMING, leave=self._leave)
        self._fill(INCOMING, depth)
        moved = f"update {TIP} {INCOMING}\ndelete {INCOMING}\n"
        self._git.run("update-ref", "--stdin", stdin=moved.encode())
        self._references.read()
        self._complete = True

    def bring(self, references: Mapping[str, str], *, depth: int) -> None:
        """Bring other branches' last commits, each to a reference of ours, by the branch's name.

        Raises: as `fetch` does.
        """
        self._remote.fetch_heads(references, depth=depth, leave=Leave.CONTENTS)
        self._references.read()
        wanted = {
            blob
            for reference in references.values()
            for blob in find_missing_blobs(self._git, reference, self._scope).wanted
        }
        if wanted and not self._remote.fetch_blobs(sorted(wanted)):
            self._remote.fetch_heads(references, depth=depth, leave=Leave.LONG_ONES, anew=True)

    def complete(self) -> None:
        """See to it that what is searched of `TIP` is here; looked at once.

        Raises: as `fetch` does.
        """
        if not self._complete:
            self._fill(TIP, 1)
            self._complete = True

    def doubt(self) -> None:
        """Look again next time: something failed."""
        self._complete = False

    def _fill(self, commit: str, depth: int) -> None:
        missing = self._missing(commit)
        # One request for each of many costs both sides more than to send everything.
        if len(missing.wanted) > missing.others and self._leave is Leave.CONTENTS:
            self._fetch_anew(commit, depth)
            missing = self._missing(commit)
        if missing.wanted and not self._remote.fetch_blobs(missing.wanted):
            self._fetch_anew(commit, depth)
            missing = self._missing(commit)
        # With all of a tip here, the next one's contents come along with its trees;
        # without, the server could send them as changes to what is not here.
        self._leave = Leave.CONTENTS if missing.others else Leave.LONG_ONES

    def _fetch_anew(self, commit: str, depth: int) -> None:
        self._remote.fetch(depth=depth, into=commit, leave=Leave.LONG_ONES, anew=True)

    def _missing(self, commit: str) -> MissingBlobs:
        return find_missing_blobs(self._git, commit, self._scope)
