"""`python -m tests.house [PACKAGE...]`: each fault as FILE:LINE, and what to write instead.

PACKAGE is a package of gitops_prefix and the directory of tests with the same name; without
any, everything is looked at, and the sizes are printed.
"""

import statistics
import sys

from tests.house import rules


def main(chosen: list[str]) -> int:
    faults = []
    for rule in rules.BY_PACKAGE.values():
        faults += [fault for package in chosen or rules.packages() for fault in rule(package)]
    for rule in rules.BY_DIRECTORY.values():
        faults += [
            fault for directory in chosen or rules.directories() for fault in rule(directory)
        ]
    for name, rule in rules.OF_ALL.items():
        mine = rule() if not chosen or "docs" in chosen or name != "phrases-of-pages" else []
        faults += [fault for fault in mine if not chosen or _concerns(fault, chosen)]
    for fault in sorted(set(faults)):
        print(fault)
    print(f"{len(set(faults))} faults")
    if not chosen:
        sizes()
    else:
        for package in chosen:
            print_size(package)
    return bool(faults)


def _concerns(fault: rules.Fault, chosen: list[str]) -> bool:
    return bool(set(fault.path.relative_to(rules.ROOT).parts) & set(chosen))


def print_size(package: str) -> None:
    count = len(rules.modules_of(package))
    print(f"{package}: {count} modules, budget {rules.BUDGETS.get(package, '-')}")


def sizes() -> None:
    for package in rules.packages():
        print_size(package)
    print(f"all: {len(rules.modules(rules.PRODUCT))} modules, budget {rules.MOST_MODULES}")
    functions = rules.functions()
    lengths = sorted(function.lines for function in functions)
    print(
        f"{len(functions)} functions: median {statistics.median(lengths):.0f} lines,"
        f" p90 {lengths[len(lengths) * 9 // 10]}, longest:"
    )
    for function in functions[:10]:
        print(
            f"  {function.lines:4} {function.path.relative_to(rules.ROOT)}:{function.line} {function.name}"
        )


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
