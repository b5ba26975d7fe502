"""The child process: a JSON line in, a JSON line out, until standard input ends.

{"operation": "apply", "arguments": {…}}
{"answer": {…}}   or   {"error": "…", "kind": "input"}   or   {"error": "…", "kind": "outside"}
"""

import json
import sys
from argparse import ArgumentParser
from collections.abc import Callable, Mapping
from typing import Any

from gitops_prefix.apply.fields import (
    ApplyConfiguration,
    ObjectReport,
    ObjectResult,
    read_configuration,
)
from gitops_prefix.apply.kube import ApiError, Connection, Served, missing_rule
from gitops_prefix.apply.kube_apply import Wish, apply_object, release_object, report
from gitops_prefix.errors import GitopsPrefixError, InputError, OutsideError

_FORBIDDEN, _NOT_FOUND, _TOO_MANY, _SERVERS_OWN = 403, 404, 429, 500


def annotate(connection: Connection, arguments: Mapping[str, Any]) -> dict[str, Any]:
    """Set annotations, and change nothing else. `patch` is the only right that this needs.

    Args:
        connection: to the API server.
        arguments: `Reconciled.request`.

    Returns:
        Nothing, or what was wrong: `refused`, and would be again, or `unreachable`.

    Raises:
        OutsideError: the API server did not answer.
    """
    served = Served(arguments["apiVersion"], arguments["kind"], arguments["plural"], True)  # noqa: FBT003
    namespace, name = arguments["namespace"], arguments["name"]
    patch = {"metadata": {"annotations": arguments["annotations"]}}
    try:
        connection.patch(served, name, namespace, patch, "application/merge-patch+json")
    except ApiError as error:
        if error.status == _FORBIDDEN:
            return {"refused": missing_rule(served, str(error), "patch")}
        if error.status == _NOT_FOUND:
            return {"refused": f"there is no {served.kind} {namespace}/{name}"}
        later = error.status == _TOO_MANY or error.status >= _SERVERS_OWN
        return {"unreachable" if later else "refused": str(error)}
    return {}


_EVENTS = Served("events.k8s.io/v1", "Event", "events", True)  # noqa: FBT003
_FORBIDDEN, _NOT_FOUND = 403, 404


def make_events(connection: Connection, arguments: Mapping[str, Any]) -> dict[str, Any]:
    """Make each Event; one whose namespace is not there is left out.

    Args:
        connection: to the API server.
        arguments: `events`, as `direct.event.documents` has them.

    Returns:
        Nothing, or `refused` with why one was; who is forbidden one is forbidden all.

    Raises:
        OutsideError: the API server did not answer.
    """
    refused = ""
    for event in arguments["events"]:
        namespace = event["metadata"]["namespace"]
        try:
            connection.request(
                "post", f"/apis/events.k8s.io/v1/namespaces/{namespace}/events", body=event
            )
        except ApiError as error:
            if error.status == _FORBIDDEN:
                return {"refused": missing_rule(_EVENTS, str(error), "create")}
            if error.status != _NOT_FOUND:
                refused = str(error)
    return {"refused": refused} if refused else {}


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


def _for_each(
    arguments: Arguments, act: Callable[[ApplyConfiguration], ObjectReport]
) -> dict[str, Any]:
    """One object that is odd keeps no other from its turn."""
    reports = []
    for wanted in map(read_configuration, arguments["configurations"]):
        try:
            reports.append(act(wanted))
        except GitopsPrefixError:
            raise
        except Exception as error:  # noqa: BLE001  whatever an object of others may hold
            words = f"a bug of ours: {type(error).__name__}: {error}"
            reports.append(report(wanted, ObjectResult.FAILED, words))
    return {"reports": [one.document() for one in reports]}


OPERATIONS: Mapping[str, Operation] = {
    "apply": _apply,
    "release": _release,
    "annotate": annotate,
    "events": make_events,
}


class _Answers:
    """The connection is made with the first request, and anew after one that failed."""

    def __init__(self, kubeconfig: str, context: str) -> None:
        self._whom = (kubeconfig, context)
        self._connection: Connection | None = None

    def answer(self, request: Mapping[str, Any]) -> dict[str, Any]:
        try:
            if self._connection is None:
                self._connection = Connection(*self._whom)
            operation = OPERATIONS[request["operation"]]
            return {"answer": operation(self._connection, request["arguments"])}
        except InputError as error:
            self._connection = None
            return {"error": str(error), "kind": "input"}
        except OutsideError as error:
            self._connection = None
            return {"error": str(error), "kind": "outside"}


def main() -> None:
    """Answer until nobody asks any more."""
    parser = ArgumentParser(prog="python -m gitops_prefix.apply.kube_child")
    parser.add_argument("--kubeconfig", default="")
    parser.add_argument("--context", default="")
    options = parser.parse_args()
    # Whatever a library prints is no answer.
    answers, sys.stdout = sys.stdout, sys.stderr
    import kubernetes.dynamic  # noqa: F401, PLC0415  so that the first request need not wait

    child = _Answers(options.kubeconfig, options.context)
    for line in sys.stdin:
        answers.write(json.dumps(child.answer(json.loads(line))) + "\n")
        answers.flush()


if __name__ == "__main__":
    main()
