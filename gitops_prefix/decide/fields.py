"""Reading foreign mappings field by field, collecting every problem with its path.

A `Fields` wraps one mapping of a parsed document. Each reader returns the field's
value, or its default when the field is absent or wrong; what is wrong is added to
a list shared by all `Fields` of the document, so that one reading reports them all.
`parse_duration` reads a duration.
"""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import NamedTuple, TypeVar

from gitops_prefix.errors import Severity

Path = tuple[str | int, ...]
EMPTY = "empty-field"
"""The code of a field that is written, but has no value."""
NO_VALUE = "has no value behind its colon"
Value = TypeVar("Value")


class FieldProblem(NamedTuple):
    """What is wrong with one field; `render` adds the place in the file.

    Attributes:
        path: keys and list indices from the document's root; a missing field's
            path ends with its own name.
    """

    path: Path
    code: str
    message: str
    severity: Severity = Severity.ERROR


@dataclass(frozen=True, slots=True)
class Fields:
    """One mapping of a document, with where it stands and where problems go."""

    content: Mapping[str, object]
    path: Path = ()
    problems: list[FieldProblem] = field(default_factory=list)

    def problem(
        self, key: str | None, code: str, message: str, severity: Severity = Severity.ERROR
    ) -> None:
        """Note a problem at the field `key`, or at the mapping itself."""
        path = self.path if key is None else (*self.path, key)
        self.problems.append(FieldProblem(path, code, f"{dotted(path)}: {message}", severity))

    def __contains__(self, key: str) -> bool:
        return self.content.get(key) is not None

    def text(self, key: str, default: str = "") -> str:
        """A string, or `default`."""
        return self._typed(key, str, default, "a string")

    def boolean(self, key: str, *, default: bool) -> bool:
        """True or false, or `default`."""
        return self._typed(key, bool, default, "true or false")

    def integer(self, key: str, default: int, *, low: int, high: int) -> int:
        """A whole number from `low` to `high`, or `default`."""
        number = self._typed(key, int, default, "a whole number")
        if isinstance(number, bool) or not low <= number <= high:
            self.problem(
                key,
                "out-of-range",
                f"{yaml_word(number)} is not a whole number from {low} to {high}",
            )
            return default
        return number

    def parsed(self, key: str, parse: Callable[[str], Value], default: Value) -> Value:
        """A string that `parse` makes a value of, or `default`."""
        if key not in self:
            return default
        number = self.content[key]
        if type(number) is int and _reads_duration(parse, number):
            message = f'{number} has no unit: write it in quotes and with one, as in "{number}s"'
            self.problem(key, "wrong-type", message)
            return default
        text = self.text(key)
        try:
            return parse(text)
        except ValueError as error:
            if isinstance(self.content[key], str):
                ends = "; it ends with a line break, as a block scalar does: write it on one line"
                hint = ends if text.endswith("\n") else ""
                self.problem(key, "invalid-value", f"{error}{hint}")
            return default

    def choice(self, key: str, choices: Sequence[str], default: str) -> str:
        """One of `choices`, or `default`."""
        chosen = self.text(key, default)
        if chosen in choices:
            return chosen
        self.problem(
            key,
            "invalid-value",
            f'"{chosen}" is not one of {", ".join(choices)}{nearest(chosen, choices)}',
        )
        return default

    def mapping(self, key: str) -> "Fields":
        """A mapping; an absent one reads as empty."""
        content: dict[str, object] = self._typed(key, dict, {}, "a mapping")
        return Fields(content, (*self.path, key), self.problems)

    def mappings(self, key: str) -> Iterator["Fields"]:
        """The mappings of a list."""
        for index, item in enumerate(self._list(key)):
            path = (*self.path, key, index)
            if isinstance(item, Mapping):
                yield Fields(item, path, self.problems)
            else:
                self._wrong_type(path, item, "a mapping")

    def texts(self, key: str) -> Iterator[tuple[int, str]]:
        """The strings of a list, each with its index."""
        for index, item in enumerate(self._list(key)):
            if isinstance(item, str):
                yield index, item
            else:
                self._wrong_type((*self.path, key, index), item, "a string")

    def parsed_list(self, key: str, parse: Callable[[str], Value]) -> tuple[Value, ...]:
        """A list of strings, each made a value by `parse`."""
        values = []
        for index, text in self.texts(key):
            try:
                values.append(parse(text))
            except ValueError as error:
                path = (*self.path, key, index)
                self.problems.append(
                    FieldProblem(path, "invalid-value", f"{dotted(path)}: {error}")
                )
        return tuple(values)

    def only(self, *known: str) -> None:
        """Warn about fields that nothing reads, and those without a value: most are slips."""
        for key, value in ((str(key), value) for key, value in self.content.items()):
            path = (*self.path, key)
            if key in known:
                if value is None:
                    message = f"{dotted(path)}: {NO_VALUE}, and counts as not written: remove it"
                    self.problems.append(FieldProblem(path, EMPTY, message, Severity.WARNING))
                continue
            message = f"{dotted(path)}: gitops-prefix reads no such field{nearest(key, known)}"
            self.problems.append(FieldProblem(path, "unknown-field", message, Severity.WARNING))

    def _typed(self, key: str, kind: type[Value], default: Value, wanted: str) -> Value:
        value = self.content.get(key)
        if value is None:
            return default
        if not isinstance(value, kind):
            self._wrong_type((*self.path, key), value, wanted)
            return default
        return value

    def _list(self, key: str) -> Sequence[object]:
        value = self.content.get(key)
        if value is None:
            return ()
        if not isinstance(value, Sequence) or isinstance(value, str):
            self._wrong_type((*self.path, key), value, "a list")
            return ()
        return value

    def _wrong_type(self, path: Path, value: object, wanted: str) -> None:
        message = f"{dotted(path)}: {yaml_word(value)} is not {wanted}{_how(value, wanted)}"
        self.problems.append(FieldProblem(path, "wrong-type", message))


def _reads_duration(parse: Callable[[str], object], number: int) -> bool:
    """Whether a number would be a duration, if it had a unit."""
    try:
        return isinstance(parse(f"{number}s"), timedelta)
    except ValueError:
        return False


def yaml_word(value: object) -> str:
    """A wrong value as its author wrote it, as far as that is known."""
    words = {True: "true", False: "false", None: "null"}
    is_word = value is None or isinstance(value, bool)
    return words[value] if is_word else repr(value)  # type: ignore[index]  # one of these


def _how(value: object, wanted: str) -> str:
    """How to write a value of the right type, where the wrong one shows what was meant."""
    if wanted == "a string":
        if isinstance(value, Mapping) and [*value.values()] == [None]:
            # `- 2001:db8::` ends with a colon, so it is a key without a value.
            return f': quote it, as in "{next(iter(value))}:"'
        return "" if isinstance(value, Mapping | list) else ": write it in quotes"
    if wanted == "a list":
        return ": write each entry on a line of its own, behind `- `"
    if isinstance(value, str) and wanted in {"true or false", "a whole number"}:
        meant = value.casefold() in {"true", "false"} or _NUMBER.fullmatch(value)
        return f": write {value} without quotes" if meant else ""
    return ": write its fields below it" if wanted == "a mapping" else ""


def dotted(path: Path) -> str:
    """A path as people write it: `spec.addressRanges[0].start`."""
    text = ""
    for step in path:
        text += f"[{step}]" if isinstance(step, int) else f".{step}"
    return text.removeprefix(".")


def nearest(word: str, known: Sequence[str]) -> str:
    """' Did you mean "…"?' with the known word most like `word`, or nothing."""
    import difflib  # noqa: PLC0415  only a mistake needs it

    # In one case, for "HA" and "addressranges"; of two that differ in it, the first.
    spelt = {name.casefold(): name for name in reversed(known)}
    matches = difflib.get_close_matches(word.casefold(), spelt, n=1)
    return f'. Did you mean "{spelt[matches[0]]}"?' if matches else ""


LONGEST = timedelta(days=36_525)
"""A century: more than any prefix lives, and little enough to add to any date."""

_NUMBER = re.compile(r"-?(?:[0-9]+|0x[0-9A-Fa-f]+)")
_UNITS = {"ms": 0.001, "s": 1, "m": 60, "h": 3600, "d": 86400}
_PART = re.compile(r"([0-9]+(?:\.[0-9]+)?)(ms|s|m|h|d)")


def parse_duration(text: str) -> timedelta:
    """The time that `text` says, in Go's form with days added.

    Raises:
        ValueError: it is no duration; a bare number has no unit and is refused.
    """
    if text == "0":
        return timedelta(0)
    parts = _PART.findall(text)
    if not parts or "".join(number + unit for number, unit in parts) != text:
        raise ValueError(f'{text!r} is not a duration: write a number and a unit, as in "48h"')
    seconds = sum(float(number) * _UNITS[unit] for number, unit in parts)
    if seconds > LONGEST.total_seconds():
        raise ValueError(f'{text!r} is longer than any prefix lives: write at most "876600h"')
    return timedelta(seconds=seconds)


def format_duration(duration: timedelta) -> str:
    """In whole seconds, as in "1d2h"; 90 s is "1m30s", and nothing is "0s"."""
    left = int(duration.total_seconds())
    words = ""
    for unit, size in (("d", 86_400), ("h", 3600), ("m", 60), ("s", 1)):
        count, left = divmod(left, size)
        words += f"{count}{unit}" if count else ""
    return words or "0s"
