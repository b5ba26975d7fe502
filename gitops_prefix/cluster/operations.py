"""What may be asked of the child process: one table."""

from collections.abc import Callable, Mapping
from typing import Any

from gitops_prefix.cluster.annotate import annotate
from gitops_prefix.cluster.apply import Wish, apply_object
from gitops_prefix.cluster.connection import Connection
from gitops_prefix.cluster.events import make_events
from gitops_prefix.cluster.release import release_object
from gitops_prefix.direct.configuration import read_configuration

Arguments = Mapping[str, Any]
Operation = Callable[[Connection, Arguments], dict[str, Any]]
"""Takes JSON and answers JSON.

Raises:
    InputError, OutsideError: it came to nothing; what was done before stays done.
"""


def _apply(connection: Connection, arguments: Arguments) -> dict[str, Any]:
    wish = Wish(force=arguments["force"], dry_run=arguments["dryRun"])
    wanted = map(read_configuration, arguments["configurations"])
    return {"reports": [apply_object(connection, one, wish).document() for one in wanted]}


def _release(connection: Connection, arguments: Arguments) -> dict[str, Any]:
    wanted = map(read_configuration, arguments["configurations"])
    commit = arguments["commit"]
    return {"reports": [release_object(connection, one, commit).document() for one in wanted]}


OPERATIONS: Mapping[str, Operation] = {
    "apply": _apply,
    "release": _release,
    "annotate": annotate,
    "events": make_events,
}
