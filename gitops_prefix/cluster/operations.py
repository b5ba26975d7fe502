"""What may be asked of the child process: one table."""

from collections.abc import Callable, Mapping
from typing import Any

from gitops_prefix.cluster.annotate import annotate
from gitops_prefix.cluster.apply import Wish, apply_object
from gitops_prefix.cluster.connection import Connection
from gitops_prefix.cluster.events import make_events
from gitops_prefix.cluster.objects import report
from gitops_prefix.cluster.release import release_object
from gitops_prefix.direct.configuration import ApplyConfiguration, read_configuration
from gitops_prefix.direct.report import Report, Standing
from gitops_prefix.errors import GitopsPrefixError

Arguments = Mapping[str, Any]
Operation = Callable[[Connection, Arguments], dict[str, Any]]
"""Takes JSON and answers JSON.

Raises:
    InputError, OutsideError: it came to nothing; what was done before stays done.
"""


def _apply(connection: Connection, arguments: Arguments) -> dict[str, Any]:
    wish = Wish(force=arguments["force"], dry_run=arguments["dryRun"])
    return _for_each(arguments, lambda one: apply_object(connection, one, wish))


def _release(connection: Connection, arguments: Arguments) -> dict[str, Any]:
    commit = arguments["commit"]
    return _for_each(arguments, lambda one: release_object(connection, one, commit))


def _for_each(arguments: Arguments, act: Callable[[ApplyConfiguration], Report]) -> dict[str, Any]:
    """One object that is odd keeps no other from its turn."""
    reports = []
    for wanted in map(read_configuration, arguments["configurations"]):
        try:
            reports.append(act(wanted))
        except GitopsPrefixError:
            raise
        except Exception as error:  # noqa: BLE001  whatever an object of others may hold
            words = f"a bug of ours: {type(error).__name__}: {error}"
            reports.append(report(wanted, Standing.FAILED, words))
    return {"reports": [one.document() for one in reports]}


OPERATIONS: Mapping[str, Operation] = {
    "apply": _apply,
    "release": _release,
    "annotate": annotate,
    "events": make_events,
}
