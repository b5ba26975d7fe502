"""What render, validate and status share: a directory, read and taken stock of."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from gitops_prefix.cli.options import now_or_clock
from gitops_prefix.cli.worktree import read_managed_files, read_own_file
from gitops_prefix.decide.choice import Choice
from gitops_prefix.decide.fields import nearest
from gitops_prefix.decide.prefix import Prefix
from gitops_prefix.decide.status import PrefixSource, Status
from gitops_prefix.decide.transition import advance, settle
from gitops_prefix.errors import InputError, Problem, Severity
from gitops_prefix.render.dynamic_prefix import DynamicPrefixDocument
from gitops_prefix.render.inventory import Inventory, read_inventory
from gitops_prefix.render.rendering import render
from gitops_prefix.render.settings import SETTINGS_FILE, read_settings


@dataclass(frozen=True, slots=True)
class Directory:
    """A directory of manifests, and which files of it count."""

    root: Path
    below: str = ""
    exclude: tuple[str, ...] = ()

    def read(self) -> tuple[dict[str, bytes], Inventory]:
        """The managed files, and what they hold.

        Raises:
            InputError: files that cannot be read, or settings that are wrong.
        """
        files = read_managed_files(self.root, below=self.below, exclude=self.exclude)
        return files, self.take_stock(files)

    def take_stock(self, files: Mapping[str, bytes]) -> Inventory:
        """What files would hold, were they here.

        Raises:
            InputError: the settings are wrong.
        """
        return read_inventory(files, read_settings(read_own_file(self.root / SETTINGS_FILE)))


def has_errors(problems: Iterable[Problem]) -> bool:
    """Whether a problem stops a rendering."""
    return any(problem.severity is Severity.ERROR for problem in problems)


def refuse_errors(problems: Iterable[Problem]) -> None:
    """Stop when a problem is an error.

    Raises:
        InputError: with every problem there is, so that one run tells all.
    """
    problems = tuple(problems)
    if has_errors(problems):
        raise InputError(*problems)


def advance_all(
    inventory: Inventory,
    observations: Iterable[tuple[str, Prefix]],
    now: datetime | None,
    clock: datetime,
) -> dict[str, Status]:
    """The status of each DynamicPrefix, after the observations.

    Time ends nothing (retention, DNS delay) unless an observation or `now` asks for
    it: what `render --check` answers must not depend on the hour.

    Raises:
        InputError: observations name no DynamicPrefix, or do not fit its ranges; with all of them.
    """
    problems: list[Problem] = []
    observed: dict[str, list[Prefix]] = {}
    for name, prefix in observations:
        if name not in inventory.dynamic_prefixes:
            known = list(inventory.dynamic_prefixes)
            problems.append(
                Problem(
                    "unknown-dynamic-prefix",
                    f'--prefix {name}={prefix}: there is no DynamicPrefix "{name}" here '
                    f"(there is: {', '.join(known) or 'none'}){nearest(name, known)}",
                )
            )
        observed.setdefault(name, []).append(prefix)
    statuses = {}
    for name, document in inventory.dynamic_prefixes.items():
        try:
            status = _advance(document, observed.get(name, []), now, clock)
        except ValueError as error:
            problems.append(Problem("does-not-fit", str(error), document.place))
            continue
        if status is not None:
            statuses[name] = status
    refuse_errors(problems)
    return statuses


def _advance(
    document: DynamicPrefixDocument, prefixes: list[Prefix], now: datetime | None, clock: datetime
) -> Status | None:
    specification, status = document.specification, document.status
    static = specification.acquisition.static
    if not prefixes and static is not None and (status is None or status.current != static):
        prefixes = [static]
    for prefix in prefixes:
        source = PrefixSource.STATIC if prefix == static else PrefixSource.ROUTER_ADVERTISEMENT
        status = advance(specification, status, Choice(prefix, source), now or clock)
    if status is None or prefixes:
        return status
    if now is not None:
        return advance(specification, status, Choice(None), now)
    return settle(specification, status)


def waiting(inventory: Inventory, statuses: dict[str, Status]) -> list[Problem]:
    """A note for each DynamicPrefix that has no prefix yet."""
    return [
        Problem(
            "waits-for-prefix",
            f"DynamicPrefix {name} has no prefix yet; what it manages stays as it is. "
            f"The daemon writes its status, or `gitops-prefix render --prefix {name}=…/64`",
            document.place,
            Severity.NOTE,
        )
        for name, document in inventory.dynamic_prefixes.items()
        if name not in statuses
    ]


def find_problems(inventory: Inventory) -> list[Problem]:
    """Everything that is wrong, or worth knowing, as the files stand.

    What is wrong in one file hides nothing in another.
    """
    try:
        statuses = advance_all(inventory, (), None, now_or_clock(None))
    except InputError as error:
        return [*inventory.problems, *error.problems]
    found = render(inventory, statuses).problems
    return list(dict.fromkeys([*inventory.problems, *found, *waiting(inventory, statuses)]))
