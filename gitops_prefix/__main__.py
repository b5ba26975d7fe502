"""The way in: `gitops-prefix` and `python -m gitops_prefix`."""

import gc
import os
import sys
from contextlib import suppress

from gitops_prefix import version


def main() -> None:
    """Run the command line, and leave with its exit code."""
    if None in {sys.stdin, sys.stdout, sys.stderr}:
        _open_streams()
    if os.getpid() == 1:
        _obey_sigterm()
    # Answered before anything is imported: scripts ask for the version often.
    if sys.argv[1:] == ["--version"]:
        with suppress(OSError):  # The door reports that it cannot be written.
            print(f"gitops-prefix {version()}", flush=True)  # noqa: T201  the whole answer
            return
    # `cli.commands` turns it on again for commands that run long.
    gc.disable()
    try:
        from gitops_prefix.cli.door import enter  # noqa: PLC0415  see above
    except KeyboardInterrupt:  # Ctrl-C before the door is there to catch it
        sys.exit(130)
    sys.exit(enter())


def _open_streams() -> None:
    """Open streams that the caller closed, as in `>&-`: else a socket would get their numbers."""
    while (descriptor := os.open(os.devnull, os.O_RDWR)) <= 2:
        pass
    os.close(descriptor)
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:
            setattr(sys, name, open(os.devnull, mode, encoding="utf-8"))  # noqa: PTH123, SIM115


def _obey_sigterm() -> None:
    """Leave on SIGTERM, which the kernel keeps from a PID 1 without a handler (pid_namespaces(7)).

    The program sets its own handler a second later. Until then it has begun nothing, and that is
    no failure of a daemon. Whoever waits for the end of `--once` must not take it for done.
    """
    import signal  # noqa: PLC0415  see above

    once = "--once" in sys.argv or "GITOPS_PREFIX_ONCE" in os.environ
    code = 128 + signal.SIGTERM if "run" not in sys.argv else 3 if once else 0
    signal.signal(signal.SIGTERM, lambda *_: os._exit(code))


if __name__ == "__main__":
    main()
