"""The rules of the house hold in every package (CONTRIBUTING.md, "How we write")."""

import pytest

from tests.house import rules


def hold(faults):
    assert not faults, "\n".join(str(fault) for fault in faults)


@pytest.mark.parametrize("package", rules.packages())
@pytest.mark.parametrize("rule", rules.BY_PACKAGE)
def test_a_package_keeps(rule, package):
    hold(rules.BY_PACKAGE[rule](package))


@pytest.mark.parametrize("directory", rules.directories())
@pytest.mark.parametrize("rule", rules.BY_DIRECTORY)
def test_the_tests_keep(rule, directory):
    hold(rules.BY_DIRECTORY[rule](directory))


@pytest.mark.parametrize("rule", rules.OF_ALL)
def test_the_repository_keeps(rule):
    hold(rules.OF_ALL[rule]())


def test_the_product_has_few_modules():
    """A module that only one other of its package needs is part of it, while the pair stays readable."""
    assert len(rules.modules(rules.PRODUCT)) <= rules.MOST_MODULES
