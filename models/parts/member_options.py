"""Options of the nets that may begin with a stem of members; importable without Keras."""

from collections.abc import Collection
from dataclasses import dataclass, fields

from ultimate_deep.models.checks import check_choice, check_range, check_whole, check_widths

MEMBERS_IN_STACK = ("drawn", "mean")


@dataclass(frozen=True, kw_only=True)
class MemberOptions:
    """What a configuration inherits whose net can have members; it calls `check_members`.

    Args:
        members: Members of the stem, small nets that share their kernels and are trained and asked
            together; 1 is a plain stem without any of it, and the other options here, which a
            preset may have set, are then not read (naming them beside it is refused).
        members_in_stack: What goes through the stack: `drawn`, one member of each row in training,
            drawn at random, and all of them in inference; `mean`, the mean of all members,
            whose answer is added to each member's own.
        exit_weight: Weight, in the training loss, of what the heads say of the stem alone, before
            the stack; the stack's own is 1. 0 leaves the early exit out.
        member_widths: Widths of the stem's dense layers before the last, which is as wide as what
            the stack reads.
        feature_dropout: Share of the features that a member does not see of a row in training.
        feature_penalty: Penalty on the norm of each feature's weights in the stem (group lasso):
            features that say little lose nearly all weight, in all members alike.

    Raises:
        ValueError: A value out of range.
    """

    members: int = 1
    members_in_stack: str = "drawn"
    exit_weight: float = 10.0
    member_widths: tuple[int, ...] = (64,)
    feature_dropout: float = 0.5
    feature_penalty: float = 0.0

    def check_members(self) -> None:
        """Check these options.

        Raises:
            TypeError: A value of another kind, such as half a member.
            ValueError: A value out of range.
        """
        check_whole("members", self.members, 1)
        check_widths("member_widths", self.member_widths)
        check_choice("members_in_stack", self.members_in_stack, MEMBERS_IN_STACK)
        check_range("exit_weight", self.exit_weight, 0.0)
        if any(width < 1 for width in self.member_widths):
            raise ValueError(
                f"member_widths must be widths of 1 or more, got {self.member_widths}; use () for "
                "a stem of one dense layer"
            )
        check_range("feature_dropout", self.feature_dropout, 0.0, 1.0)
        check_range("feature_penalty", self.feature_penalty, 0.0)

    def refuse_unread(self, named: Collection[str]) -> None:
        """Refuse options of members where there is one.

        Args:
            named: Fields that the user has set.

        Raises:
            ValueError: One of them is not read.
        """
        own = {field.name for field in fields(MemberOptions)} - {"members"}
        if self.members == 1 and (unread := sorted(own & set(named))):
            raise ValueError(
                f"{', '.join(unread)} would not be read: they are for members of 2 or more, got "
                "members=1; set members to 16, or leave them out"
            )
