"""What a check found."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import TypeVar

Case = TypeVar("Case")


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


def checked(
    subject: str, case: Case, contracts: Mapping[str, Callable[[Case], str]]
) -> Iterator[Finding]:
    """Yield what each contract says of a case.

    Args:
        subject: Kind and name.
        case: What the contracts are asked of.
        contracts: What is asked, to who finds out what is wrong; empty words for nothing.
    """
    for contract, check in contracts.items():
        try:
            problem = check(case)
        except Exception as error:  # of the user's code: it is the finding
            problem = f"{type(error).__name__}: {error}"
        yield Finding(subject, contract, problem)
