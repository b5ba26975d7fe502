"""The options that say what the cluster is told of a publication."""

from gitops_prefix.apply.events import Telling
from gitops_prefix.apply.ownership import KINDS, Reconciled, parse_reconciled
from gitops_prefix.cli.option_group import option_group
from gitops_prefix.cli.options import Parsed, option


def make_telling(*, request_reconcile: tuple[Reconciled, ...], events: bool) -> Telling:
    """What the options come to."""
    return Telling(tuple(dict.fromkeys(request_reconcile)), events)


telling_options = option_group(
    "telling",
    make_telling,
    option(
        "--request-reconcile",
        multiple=True,
        type=Parsed("kind:namespace/name", parse_reconciled),
        metavar="KIND:NAMESPACE/NAME",
        help=f"Ask this object's reconciler to look after a push ({', '.join(KINDS)}). "
        "May be repeated.",
    ),
    option("--events", is_flag=True, help="Tell in Events what happened to objects."),
)
