"""Options that belong together: read as one value, written once, in a module of their own."""

from collections.abc import Callable
from functools import wraps
from inspect import signature
from typing import Any, TypeVar

Function = TypeVar("Function", bound=Callable[..., Any])


def option_group(
    parameter: str, make: Callable[..., object], *options: Callable[[Any], Any]
) -> Callable[[Function], Any]:
    """A decorator that adds `options` to a command, and hands it what `make` makes of them.

    Args:
        parameter: the command's parameter for it.
        make: called with each option under its own name, by keyword.
        options: click options, in the order of `--help`.
    """
    names = tuple(signature(make).parameters)

    def decorate(function: Function) -> Any:
        @wraps(function)
        def call(**arguments: Any) -> Any:
            made = make(**{name: arguments.pop(name) for name in names})
            return function(**arguments, **{parameter: made})

        decorated: Any = call
        for option in reversed(options):
            decorated = option(decorated)
        return decorated

    return decorate
