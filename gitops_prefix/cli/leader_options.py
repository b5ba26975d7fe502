"""The options of several daemons, of which one at a time publishes."""

from datetime import timedelta

from gitops_prefix.apply.lease import Candidacy
from gitops_prefix.cli.option_group import option_group
from gitops_prefix.cli.options import DURATION, option
from gitops_prefix.errors import InputError, Problem


def make_candidacy(  # noqa: PLR0913  one parameter an option
    *,
    leader_elect: bool,
    lease_name: str,
    lease_namespace: str,
    lease_duration: timedelta,
    renew_deadline: timedelta,
    retry_period: timedelta,
) -> Candidacy | None:
    """What the options come to; None when each daemon publishes.

    Raises:
        InputError: durations by which two could lead at once.
    """
    if not leader_elect:
        return None
    lease, renew, retry = (
        one.total_seconds() for one in (lease_duration, renew_deadline, retry_period)
    )
    if not 0 < retry < renew < lease:
        message = (
            f"--lease-duration {lease:g}s must be longer than --renew-deadline {renew:g}s, and "
            f"that longer than --retry-period {retry:g}s: else two could lead at once"
        )
        raise InputError(Problem("invalid-lease", message))
    return Candidacy(lease_name, lease_namespace, lease, renew, retry)


leader_options = option_group(
    "candidacy",
    make_candidacy,
    option("--leader-elect", is_flag=True, help="Publish only while holding a Lease."),
    option("--lease-name", default="gitops-prefix", show_default=True, help="Which Lease."),
    option("--lease-namespace", default="", help="Where it is. [default: the pod's own]"),
    option(
        "--lease-duration",
        type=DURATION,
        default="15s",
        show_default=True,
        help="How long the others wait for a leader that says nothing.",
    ),
    option(
        "--renew-deadline",
        type=DURATION,
        default="10s",
        show_default=True,
        help="How long a leader leads without a renewal.",
    ),
    option(
        "--retry-period",
        type=DURATION,
        default="2s",
        show_default=True,
        help="Between two tries.",
    ),
)
