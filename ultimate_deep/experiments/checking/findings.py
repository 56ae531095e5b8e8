"""What a check found."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Finding:
    """One contract of one thing that a plugin brings.

    Args:
        subject: Kind and name, such as `feature gap`.
        contract: What was asked, in a few words.
        problem: What is wrong, with values and a remedy; empty where the contract is kept.
    """

    subject: str
    contract: str
    problem: str = ""

    @property
    def kept(self) -> bool:
        """Whether the contract is kept."""
        return not self.problem
