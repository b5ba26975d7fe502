"""The daemon's child process: a JSON line in, a JSON line out, until standard input ends.

{"operation": "apply", "arguments": {…}}
{"answer": {…}}   or   {"error": "…", "kind": "input"}   or   {"error": "…", "kind": "outside"}
"""

import json
import sys
from argparse import ArgumentParser
from collections.abc import Mapping
from typing import Any

from gitops_prefix.cluster.connection import Connection
from gitops_prefix.cluster.operations import OPERATIONS
from gitops_prefix.errors import InputError, OutsideError


class _Child:
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
    parser = ArgumentParser(prog="python -m gitops_prefix.cluster")
    parser.add_argument("--kubeconfig", default="")
    parser.add_argument("--context", default="")
    options = parser.parse_args()
    # Whatever a library prints is no answer.
    answers, sys.stdout = sys.stdout, sys.stderr
    import kubernetes.dynamic  # noqa: F401, PLC0415  so that the first request need not wait

    child = _Child(options.kubeconfig, options.context)
    for line in sys.stdin:
        answers.write(json.dumps(child.answer(json.loads(line))) + "\n")
        answers.flush()


if __name__ == "__main__":
    main()
