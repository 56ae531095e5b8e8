"""Runs the pipeline for the checks: what was made of the bars as they are is kept."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext

import numpy as np

from ultimate_deep.evaluation.leaks.comparison import Movement, movements
from ultimate_deep.evaluation.leaks.config import LeakConfig
from ultimate_deep.evaluation.leaks.findings import LeakFinding
from ultimate_deep.evaluation.leaks.pair import Pair
from ultimate_deep.evaluation.leaks.perturbation import Cut
from ultimate_deep.evaluation.leaks.trace import STEPS, BarsBySymbol, Pipeline, Relabel, Step, Trace

Busy = Callable[[str], AbstractContextManager[None]]
_END = np.datetime64("2262-01-01", "ns")  # the whole past is known then
STAGES: tuple[Step, ...] = ("labels", "scaling", "signals")


def silent(text: str) -> AbstractContextManager[None]:
    """Show nothing."""
    return nullcontext()


class Runner:
    """Runs one pipeline on one market and its variants.

    Args:
        pipeline: What is examined.
        market: The bars as they are.
        config: How thoroughly to look.
        busy: Called with a sentence; the work is done inside the context it gives.
    """

    def __init__(
        self, pipeline: Pipeline, market: BarsBySymbol, config: LeakConfig, busy: Busy = silent
    ) -> None:
        self.market = market
        self.config = config
        self.runs = 0
        self._pipeline = pipeline
        self._busy = busy
        self._clean: dict[Step, Trace] = {}
        self._unrepeatable: dict[Step, Step | None] = {}

    def run(
        self, market: BarsBySymbol, text: str, *, until: Step, relabel: Relabel | None = None
    ) -> Trace:
        """Run the pipeline on a market."""
        self.runs += 1
        # Short runs are shown by the check that they belong to.
        with self._busy(text) if until == STAGES[-1] else silent(text):
            return self._pipeline(market, until=until, relabel=relabel)

    @property
    def examined(self) -> tuple[Step, ...]:
        """The steps that left something to compare on the bars as they are."""
        found = {step for trace in self._clean.values() for step in trace.steps}
        return tuple(step for step in STEPS if step in found)

    def clean(self, until: Step) -> Trace:
        """Return the trace of the bars as they are, up to a step at least."""
        for stage in STAGES[STAGES.index(until) :]:
            if stage in self._clean:
                return self._clean[stage]
        self._clean[until] = self.run(self.market, f"the bars as they are, to {until}", until=until)
        return self._clean[until]

    def compare(self, cut: Cut, text: str, *, until: Step) -> tuple[Trace, list[Movement]]:
        """Return the cut market's trace, and what moved before the cut.

        Steps that move by themselves are left out.
        """
        clean = self.clean(until)
        other = self.run(cut.market, text, until=until)
        pair = Pair.at(clean, other, cut.time, cut.bars_from)
        return other, self._beyond_itself(movements(pair), until)

    def compare_labels(self, relabel: Relabel, text: str) -> list[Movement]:
        """Return what moved before the signals when only labels of the test part were changed."""
        clean = self.clean("signals")
        other = self.run(self.market, text, until="signals", relabel=relabel)
        found = movements(Pair.at(clean, other, _END, _END))
        # Labels that a step changed after the split hold those of the test part too.
        found = [movement for movement in found if movement.step != "rows"]
        return self._beyond_itself(found, "signals")

    def _beyond_itself(self, found: list[Movement], until: Step) -> list[Movement]:
        by_itself = self.first_unrepeatable(until) if found else None
        if by_itself is not None:
            found = [m for m in found if STEPS.index(m.step) < STEPS.index(by_itself)]
        return found

    def first_unrepeatable(self, until: Step) -> Step | None:
        """Return the first step that differs between two runs on the same bars, if any."""
        if until not in self._unrepeatable:
            clean = self.clean(until)
            again = self.run(self.market, f"the same bars again, to {until}", until=until)
            found = movements(Pair.at(clean, again, _END, _END))
            self._unrepeatable[until] = found[0].step if found else None
        return self._unrepeatable[until]

    @property
    def repeated(self) -> bool:
        """Whether the bars as they are were run twice, as is done once something moved."""
        return bool(self._unrepeatable)

    def repeatability(self, check: str) -> tuple[LeakFinding, ...]:
        """Return a warning where a step was found to move by itself."""
        steps = [step for step in self._unrepeatable.values() if step is not None]
        if not steps:
            return ()
        first = min(steps, key=STEPS.index)
        return (
            LeakFinding(
                step=first,
                check=check,
                severity="warning",
                sentence=f"Two runs on the same bars differ from the step {first} on, so that "
                "step and those after it could not be compared: seed every draw.",
            ),
        )
