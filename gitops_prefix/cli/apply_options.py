"""The options of direct apply: whether, and when reconcilers are overridden."""

from datetime import timedelta

from gitops_prefix.apply.policy import ApplyMode, ApplyPolicy
from gitops_prefix.cli.option_group import option_group
from gitops_prefix.cli.options import DURATION, OneOf, option


def make_apply_policy(*, apply: str, apply_after: timedelta) -> ApplyPolicy:
    """What the options come to."""
    return ApplyPolicy(ApplyMode(apply), apply_after.total_seconds())


apply_options = option_group(
    "apply_policy",
    make_apply_policy,
    option(
        "--apply",
        type=OneOf([mode.value for mode in ApplyMode]),
        default=ApplyMode.NEVER.value,
        show_default=True,
        help="Write managed fields to the cluster directly.",
    ),
    option(
        "--apply-after",
        type=DURATION,
        default="60s",
        show_default=True,
        help="How long Git must be away before that overrides a reconciler.",
    ),
)
