"""Signs the claims with which a GitHub App authenticates (RS256, RFC 7515).

It runs as a separate process, once an hour: pyjwt and cryptography would add 10 MiB to the
daemon. The key goes in by a pipe, and the token comes out by another.
"""

import json
import os
import subprocess
import sys
from collections.abc import Mapping

from gitops_prefix.errors import InputError, OutsideError, Problem
from gitops_prefix.publish.scrub import scrub

_SECONDS = 30.0
_KEPT = ("PATH", "PYTHONPATH", "LD_LIBRARY_PATH")


def sign(claims: Mapping[str, object], key: str, name: str) -> str:
    """Return the claims as a token, signed by a separate process.

    Args:
        claims: as in RFC 7519.
        key: an RSA private key in PEM.
        name: the key's file, for messages.

    Raises:
        InputError: the key is not such a key.
        OutsideError: the process does not answer.
    """
    # -P: files in the working directory must not be imported.
    command = [sys.executable, "-P", "-m", "gitops_prefix.publish.app_jwt"]
    try:
        answer = subprocess.run(
            command,
            input=json.dumps({"claims": dict(claims), "key": key}),
            capture_output=True,
            text=True,
            check=False,
            timeout=_SECONDS,
            env={variable: os.environ[variable] for variable in _KEPT if variable in os.environ},
        )
    except (OSError, subprocess.SubprocessError) as error:
        raise OutsideError(f"a GitHub App's token cannot be signed: {error}") from error
    if answer.returncode == 2:
        message = f"--github-app-key-file {name} {scrub(answer.stderr.strip())}"
        raise InputError(Problem("invalid-app-key", message))
    if answer.returncode != 0:
        words = scrub(answer.stderr.strip()).splitlines() or [f"exit code {answer.returncode}"]
        raise OutsideError(f"a GitHub App's token cannot be signed: {words[-1]}")
    return answer.stdout.strip()


def main() -> int:
    """Read claims and key from standard input; write the token."""
    import jwt  # noqa: PLC0415  only this process needs it

    asked = json.loads(sys.stdin.read())
    try:
        token = jwt.encode(asked["claims"], asked["key"], algorithm="RS256")
    # The words of a key parser are unbounded, and may quote the key.
    except (ValueError, TypeError, AttributeError, jwt.PyJWTError):
        sys.stderr.write(
            "is no RSA private key in PEM that opens without a passphrase: generate one in the "
            "settings of the App"
        )
        return 2
    sys.stdout.write(token)
    return 0


if __name__ == "__main__":
    sys.exit(main())
