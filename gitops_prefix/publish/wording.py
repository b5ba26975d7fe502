"""How commits are worded: the default or a template, trailers of the user's, [skip ci]. PURE."""

from dataclasses import dataclass, replace
from typing import NamedTuple

from gitops_prefix.errors import Problem, Severity
from gitops_prefix.plan.occasion import Occasion
from gitops_prefix.publish.message import body, own_trailers, subject
from gitops_prefix.publish.message_template import MessageTemplate, TemplateError
from gitops_prefix.publish.trailers import Trailer, with_trailers

SKIP_CI = "[skip ci]"
"""What GitHub, GitLab, Gitea, Forgejo, Woodpecker and Azure read anywhere in a message."""


class Message(NamedTuple):
    """A whole message.

    Attributes:
        problem: why it is the default, when the template failed.
    """

    text: str
    problem: Problem | None = None


@dataclass(frozen=True, slots=True)
class Wording:
    """What the user wants a message to look like."""

    template: MessageTemplate | None = None
    trailers: tuple[Trailer, ...] = ()
    skip_ci: bool = False

    def write(self, occasion: Occasion) -> Message:
        """The message for an occasion; with a template that fails, the default."""
        try:
            return Message(self.attempt(occasion))
        except TemplateError as error:
            plain = replace(self, template=None)
            problem = replace(error.problem, severity=Severity.WARNING)
            return Message(plain.attempt(occasion), problem)

    def attempt(self, occasion: Occasion) -> str:
        """The message for an occasion.

        Raises:
            TemplateError: the template failed.
        """
        if self.template is None:
            text = "\n\n".join((subject(occasion), body(occasion)))
        else:
            text = self.template.write(occasion).lstrip("\n")
        if self.skip_ci and SKIP_CI not in text:
            first, _, rest = text.partition("\n")
            text = f"{first} {SKIP_CI}\n{rest}"
        return with_trailers(text, (*own_trailers(occasion), *self.trailers))
