"""What render, validate and status share: a directory, and what it holds."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import NamedTuple

from gitops_prefix.cli.kustomization import find_sent
from gitops_prefix.cli.options import now_or_clock
from gitops_prefix.cli.worktree import (
    Listing,
    gits_directory_around,
    read_managed_files,
    read_own_file,
)
from gitops_prefix.decide.fields import nearest
from gitops_prefix.decide.policy import likely_source, refusal_of_prefix
from gitops_prefix.decide.prefix import Prefix
from gitops_prefix.decide.specification import KIND, Acquisition, Specification
from gitops_prefix.decide.status import Status
from gitops_prefix.decide.transition import Choice
from gitops_prefix.errors import InputError, Place, Problem, Severity
from gitops_prefix.plan.plan import Advanced, advance_all, rehearse
from gitops_prefix.render.files import RepositoryFiles, looks_managed, may_hold_addresses
from gitops_prefix.render.inventory import NOT_YAML, Inventory
from gitops_prefix.render.load_balancers import find_default_families
from gitops_prefix.render.manifest import NAME, SUBNET
from gitops_prefix.render.reading import read_inventory
from gitops_prefix.render.rendering import Rendering, render
from gitops_prefix.render.settings import SETTINGS_FILE, Settings, read_settings

_MOST_LINKS = 3
_UNKNOWN = "unknown-dynamic-prefix"


class Directory(NamedTuple):
    """A directory of manifests, and which files of it count."""

    root: Path
    below: str = ""
    exclude: tuple[str, ...] = ()

    def read(self) -> tuple[RepositoryFiles, Inventory]:
        """The managed files, and what they hold.

        Raises:
            InputError: files that cannot be read, or settings that are wrong.
        """
        named, listing = self._settings().named, Listing.of(self.root)
        found = read_managed_files(
            self.root,
            below=self.below,
            exclude=self.exclude,
            or_else=may_hold_addresses,
            named=named,
            listing=listing,
        )
        wanted = {
            path: content
            for path, content in found.items()
            if looks_managed(content, path) or named.match_file(path)
        }
        files = RepositoryFiles(wanted, found.skipped, found.below)
        inventory = self._name_outside(self.take_stock(found))
        also = (
            *find_sent(self.root, inventory, listing),
            *_find_links(found.links, self.root),
            *self._find_misnamed(),
        )
        return files, inventory._replace(problems=(*inventory.problems, *also))

    def _find_misnamed(self) -> Iterator[Problem]:
        """A warning for settings with the other ending of YAML, which nobody reads."""
        other = f"{SETTINGS_FILE.removesuffix('.yaml')}.yml"
        there = [read_own_file(self.root / name) is not None for name in (SETTINGS_FILE, other)]
        if there == [False, True]:
            message = f"nothing reads this: rename it to {SETTINGS_FILE}"
            yield Problem("config-misnamed", message, Place(other), Severity.WARNING)

    def _name_outside(self, inventory: Inventory) -> Inventory:
        """Say of a DynamicPrefix that is missing where it is, if `--path` left it out."""
        if not self.below or all(problem.code != _UNKNOWN for problem in inventory.problems):
            return inventory
        everywhere = Directory(self.root, "", self.exclude).read()[1]
        problems = list(inventory.problems)
        for name, document in everywhere.dynamic_prefixes.items():
            where = f'. It is in {document.path}, outside of --path "{self.below}"'
            for number, problem in enumerate(problems):
                if problem.code == _UNKNOWN and f'"{name}"' in problem.message.partition("(")[0]:
                    problems[number] = replace(problem, message=problem.message + where)
        return inventory._replace(problems=tuple(problems))

    def _settings(self) -> Settings:
        return read_settings(read_own_file(self.root / SETTINGS_FILE))

    def take_stock(self, files: Mapping[str, bytes]) -> Inventory:
        """What files would hold, were they here.

        Raises:
            InputError: the settings are wrong.
        """
        return read_inventory(files, self._settings())


def _find_links(links: Sequence[str], root: Path) -> Iterator[Problem]:
    """A note about the symbolic links that lead to other places."""
    if links:
        listed = ", ".join(links[:_MOST_LINKS]) + (", ..." if links[_MOST_LINKS:] else "")
        message = (
            f"symbolic links are not followed, and what {listed} leads to is not below {root}: "
            "name a directory that holds both, or put the file in the place of the link"
        )
        yield Problem("link-not-followed", message, Place(links[0]), Severity.NOTE)


def refuse_nothing(files: Mapping[str, bytes], directory: Path) -> None:
    """Stop when nothing is managed: a check of the wrong directory must not be green.

    Raises:
        InputError: there is no managed file.
    """
    for problem in find_nothing(files, directory):
        raise InputError(problem)


def find_nothing(files: Mapping[str, bytes], directory: Path) -> Iterator[Problem]:
    """An error when nothing is managed."""
    if files:
        return
    for path, reason in RepositoryFiles.of(files).skipped:
        yield Problem("nothing-managed", f"nothing below {directory} is read: {path}: {reason}")
        return
    gits = gits_directory_around(directory.resolve())
    remedy = (
        f"{gits} holds Git's own files and no manifests: name a clone with its files"
        if gits
        else "Name the directory of your manifests, or let `gitops-prefix init` write some"
    )
    message = (
        f"nothing below {directory} is managed: no file there has a DynamicPrefix, a "
        f"dynamic-prefix.io/ annotation or a marker. {remedy}"
    )
    yield Problem("nothing-managed", message)


def has_errors(problems: Iterable[Problem]) -> bool:
    """Whether a problem stops a rendering."""
    return any(problem.severity is Severity.ERROR for problem in problems)


def problems_document(problems: Sequence[Problem]) -> dict[str, object]:
    """The problems as JSON: what holds something back, apart from what is only reported."""
    errors = [problem for problem in problems if problem.severity is Severity.ERROR]
    return {
        "errors": [problem.document() for problem in errors],
        "warnings": [problem.document() for problem in problems if problem not in errors],
    }


def refuse_errors(problems: Iterable[Problem]) -> None:
    """Stop when a problem is an error.

    Raises:
        InputError: with every problem there is, so that one run reports all.
    """
    problems = tuple(problems)
    if has_errors(problems):
        raise InputError(*problems)


def advance(
    inventory: Inventory,
    observations: Sequence[tuple[str, Prefix]],
    now: datetime | None,
    clock: datetime,
    *,
    made_up: bool = False,
) -> Advanced:
    """The status of each DynamicPrefix, after the observations, and each that does not fit.

    Time ends nothing (retention, DNS delay) unless an observation or `now` asks for
    it: the answer of `render --check` must not depend on the hour. A DynamicPrefix that
    cannot be read stays as it is, with the errors of its document.

    Raises:
        InputError: observations name no DynamicPrefix, or could never be made; with all of them.
    """
    given: dict[str, list[Prefix]] = {}
    # A sample need not pass a filter that is made for one provider.
    problems = [] if made_up else [*find_filtered(inventory, observations)]
    unread = {each.name for each in inventory.manifests if each.kind == KIND}
    for name, prefix in observations:
        if name not in inventory.dynamic_prefixes and name not in unread:
            problems.append(_unknown(inventory, name, prefix))
        given.setdefault(name, []).append(prefix)
    before = {name: document.status for name, document in inventory.dynamic_prefixes.items()}
    observed = {
        name: _choices(document.specification, document.status, given.get(name, ()), now)
        for name, document in inventory.dynamic_prefixes.items()
    }
    advanced = advance_all(inventory, before, observed, now or clock)
    if problems:
        raise InputError(*problems, *inventory.problems, *advanced.misfits)
    return advanced


def find_filtered(
    inventory: Inventory, observations: Iterable[tuple[str, Prefix]]
) -> Iterator[Problem]:
    """Each observation that the daemon would never make: it is not static, or filtered out."""
    for name, prefix in observations:
        document = inventory.dynamic_prefixes.get(name)
        why = _why_never(document.specification.acquisition, prefix) if document else ""
        if why:
            message = f"--prefix {name}={prefix} would never be current: {why}"
            yield Problem("prefix-refused", message)


def _why_never(acquisition: Acquisition, prefix: Prefix) -> str:
    if acquisition.static is None:
        return refusal_of_prefix(prefix, acquisition) or ""
    static = f"spec.acquisition.static is {acquisition.static}; write the other one there"
    return static if prefix != acquisition.static else ""


def _choices(
    specification: Specification,
    status: Status | None,
    prefixes: Sequence[Prefix],
    now: datetime | None,
) -> tuple[Choice, ...]:
    acquisition = specification.acquisition
    static = acquisition.static
    if not prefixes and static is not None and (status is None or status.current != static):
        prefixes = (static,)
    if not prefixes and now is not None:
        return (Choice(None),)
    if not prefixes:
        return ()
    source = likely_source(acquisition)
    return tuple(Choice(prefix, source) for prefix in prefixes)


def _unknown(inventory: Inventory, name: str, prefix: Prefix) -> Problem:
    known = list(inventory.dynamic_prefixes)
    unread = any(problem.code in {NOT_YAML, "not-utf8"} for problem in inventory.problems)
    where = "in the files that can be read" if unread else "here"
    message = (
        f'--prefix {name}={prefix}: there is no DynamicPrefix "{name}" {where} '
        f"(there is: {', '.join(known) or 'none'}){nearest(name, known)}"
    )
    return Problem("unknown-dynamic-prefix", message)


def waiting(inventory: Inventory, advanced: Advanced) -> list[Problem]:
    """A note for each DynamicPrefix that has no prefix yet."""
    misfits = {problem.place for problem in advanced.misfits}
    return [
        Problem(
            "waits-for-prefix",
            f"DynamicPrefix {name} has no prefix yet; what it manages stays as it is. "
            f"The daemon writes its status, or `gitops-prefix render --prefix {name}=…/"
            f"{document.specification.acquisition.usual_length}`",
            document.place,
            Severity.NOTE,
        )
        for name, document in inventory.dynamic_prefixes.items()
        if name not in advanced.statuses and document.place not in misfits
    ]


def find_problems(inventory: Inventory) -> list[Problem]:
    """Everything that is wrong, or worth knowing, as the files stand and at the coming prefixes.

    What is wrong in one file hides nothing in another.
    """
    advanced = advance(inventory, (), None, now_or_clock(None))
    rendering = render(inventory, advanced.statuses)
    found = [
        *inventory.problems,
        *find_unannounced(inventory),
        *find_default_families(inventory.bindings),
        *advanced.misfits,
        *rendering.problems,
    ]
    coming = foresee(inventory, advanced, rendering)
    return list(dict.fromkeys([*found, *coming, *waiting(inventory, advanced)]))


def foresee(inventory: Inventory, advanced: Advanced, rendering: Rendering) -> tuple[Problem, ...]:
    """What the coming prefixes would be refused for, after a rendering."""
    if inventory.stopped:
        return ()
    known = (*advanced.misfits, *rendering.problems)
    return rehearse(inventory, advanced.statuses, known)


def find_unannounced(inventory: Inventory) -> Iterator[Problem]:
    """A warning for each subnet that is to be announced and that no advertisement follows.

    An operator makes the advertisement; here it is a manifest like any other.
    """
    specifications = [each.specification for each in inventory.dynamic_prefixes.values()]
    if not any(subnet.advertise for each in specifications for subnet in each.subnets):
        return
    import json  # noqa: PLC0415  most houses announce nothing

    from gitops_prefix.plan.migration import ADVERTISEMENT, advertisement_for  # noqa: PLC0415

    followed = {
        (each.annotations.get(NAME), each.annotations.get(SUBNET))
        for each in inventory.manifests
        if each.kind == ADVERTISEMENT
    }
    for document in inventory.dynamic_prefixes.values():
        specification = document.specification
        for index, subnet in enumerate(specification.subnets):
            if subnet.advertise and (specification.name, subnet.name) not in followed:
                wanted = advertisement_for(specification.name, subnet.name, subnet.community)
                message = (
                    f'nothing announces subnet "{subnet.name}": no {ADVERTISEMENT} has its '
                    f"annotations; add one, with labels of yours: {json.dumps(wanted)}"
                )
                path = ("spec", "subnets", index, "bgp")
                yield document.manifest.field_problem(
                    path, "advertisement-missing", message, Severity.WARNING
                )
