"""Is there an edge? Five questions, one word and one sentence, by a rule written before."""

import html
from dataclasses import dataclass

from ultimate_deep.evaluation.significance.bootstrap import Interval
from ultimate_deep.evaluation.verdicts.answering import Answer, answers
from ultimate_deep.evaluation.verdicts.config import VerdictConfig
from ultimate_deep.evaluation.verdicts.evidence import Evidence, EvidenceInputs, gather
from ultimate_deep.evaluation.verdicts.headline import headline
from ultimate_deep.evaluation.verdicts.rule import Kind, rule


@dataclass(frozen=True, kw_only=True, repr=False)
class Verdict:
    """What may be claimed, in one sentence and in figures.

    Args:
        kind: One of `evaluation.verdicts.rule.Kind`, such as "edge" or "cannot tell yet".
        sentence: The verdict for people, with its figures.
        answers: The five questions with their answers.
        evidence: Figures that the answers rest on.
        bars_needed: Bars of test data that would settle it; None where nothing is open, or where
            more bars of the same kind would not.
    """

    kind: Kind
    sentence: str
    answers: tuple[Answer, ...]
    evidence: Evidence
    bars_needed: int | None

    @property
    def accuracy(self) -> Interval:
        """Share of right decisions with its interval."""
        assert self.evidence.hits is not None
        return self.evidence.hits.accuracy

    @property
    def majority_accuracy(self) -> float:
        """Accuracy of always saying the majority's class."""
        assert self.evidence.hits is not None
        return self.evidence.hits.majority

    @property
    def advantage(self) -> Interval:
        """Accuracy minus the majority's, paired on the same resamples."""
        assert self.evidence.hits is not None
        return self.evidence.hits.advantage

    @property
    def net_return(self) -> Interval:
        """Mean net return per bar (fraction) with its interval."""
        return self.evidence.net

    @property
    def decisions(self) -> int:
        """Distinct decision times judged."""
        return self.evidence.decisions

    @property
    def bars(self) -> int:
        """Bars of net returns judged."""
        return self.evidence.bars

    @property
    def simulated(self) -> bool:
        """Whether the bars were simulated."""
        return self.evidence.simulated

    @property
    def readings(self) -> int:
        """Different models judged on these bars so far, this one included."""
        return self.evidence.readings

    @property
    def error_rate(self) -> float:
        """Chance of each bound to be wrong, already divided by the readings."""
        return self.evidence.error_rate

    def __repr__(self) -> str:
        return f"<verdict: {self.sentence}>"

    def _repr_html_(self) -> str:
        return f"<p>{html.escape(self.sentence)}</p>"


def judge_model(inputs: EvidenceInputs, config: VerdictConfig = VerdictConfig()) -> Verdict:
    """Judge a model on its test part.

    Args:
        inputs: Its decisions, its account, and those of others.
        config: Error rates, and what is too little to judge.

    Raises:
        ValueError: Shapes that differ, values out of range, NaN, no reading.
    """
    return verdict_on(gather(inputs, config), config)


def verdict_on(evidence: Evidence, config: VerdictConfig = VerdictConfig()) -> Verdict:
    """Return what figures amount to."""
    ruling = rule(evidence, config)
    return Verdict(
        kind=ruling.kind,
        sentence=headline(evidence, ruling, config),
        answers=answers(evidence, ruling, config),
        evidence=evidence,
        bars_needed=ruling.bars_needed,
    )
