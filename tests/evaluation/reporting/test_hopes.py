import dataclasses
import math
import re

import pytest

from ultimate_deep.evaluation.reporting.sections_hopes import HOPES, hopes_section, reached


@pytest.mark.parametrize(
    ("bounds", "word"),
    [((0.7, 0.8), "reached"), ((0.6, 0.7), "open"), ((0.4, 0.6), "not reached")],
)
def test_a_hope_is_reached_where_the_whole_interval_lies_above(assessed, bounds, word):
    interval = dataclasses.replace(
        assessed.assessment.intervals["accuracy"], lower=bounds[0], upper=bounds[1]
    )
    assert reached(interval, 0.65) == word


def test_every_hope_stands_beside_what_was_measured(assessed):
    part = hopes_section(assessed)
    rows = re.findall(r"<tr><td>(.*?)</td><td>(.*?)</td>", part)
    assert rows == [(hope.title, hope.said) for hope in HOPES]
    intervals = assessed.assessment.intervals
    told = re.findall(r"<td>(reached|not reached|open)</td></tr>", part)
    assert told == [reached(intervals[hope.interval], hope.least) for hope in HOPES]
    assert 'data-figure="assessment/intervals/win_rate/lower"' in part


def test_what_was_not_measured_is_a_dash(assessed):
    found = assessed.assessment
    nothing = dataclasses.replace(found.intervals["win_rate"], lower=math.nan, upper=math.nan)
    changed = dataclasses.replace(found, intervals=found.intervals | {"win_rate": nothing})
    part = hopes_section(dataclasses.replace(assessed, assessment=changed))
    assert part.count("<td>\u2013</td></tr>") == 1
    assert hopes_section(dataclasses.replace(assessed, assessment=None)) == ""
