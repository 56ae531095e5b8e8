import dataclasses
import math
import re

import pytest

from ultimate_deep.evaluation.reporting.data import Contender
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
    training = ("minutes of training", "less than 120, once 600")
    assert rows == [*((hope.title, hope.said) for hope in HOPES), training]
    intervals = assessed.assessment.intervals
    told = re.findall(r"<td>(reached|not reached|open)</td></tr>", part)
    assert told == [*(reached(intervals[hope.interval], hope.least) for hope in HOPES), "reached"]
    assert 'data-figure="assessment/intervals/win_rate/lower"' in part
    assert 'data-figure="origin/seconds/training" data-scale="0.0166667">1.0<' in part


def test_training_of_two_hours_is_not_less(assessed):
    slow = dataclasses.replace(assessed.origin, seconds={"training": 7_200.0})
    part = hopes_section(dataclasses.replace(assessed, origin=slow))
    assert re.search(r"minutes of training.*>120\.0</span></td><td>not reached</td>", part)
    judged = dataclasses.replace(assessed.origin, seconds={"assessing": 3.0})
    assert "of training" not in hopes_section(dataclasses.replace(assessed, origin=judged))


def test_trees_of_the_first_phase_stand_beside_those_of_here(assessed):
    assert "trees" not in hopes_section(assessed)
    trees = Contender(name="gradient boosting", metrics={"win_rate": 0.512, "sharpe": 1.25})
    part = hopes_section(dataclasses.replace(assessed, contenders=[*assessed.contenders, trees]))
    heads = re.findall(r"<th>(.*?)</th>", part)
    assert heads[-2:] == ["trees, it says", "trees here"]
    assert (
        '<td>63.4%</td><td><span class="n" data-figure="contenders/2/metrics/win_rate">51.2%'
        in part
    )
    assert part.count("<td>\u2013</td>") == 3  # what is not said of accuracy and of training
    assert {row.count("<td>") for row in re.findall("<tr><td>.*?</tr>", part)} == {6}


def test_what_was_not_measured_is_a_dash(assessed):
    found = assessed.assessment
    nothing = dataclasses.replace(found.intervals["win_rate"], lower=math.nan, upper=math.nan)
    changed = dataclasses.replace(found, intervals=found.intervals | {"win_rate": nothing})
    part = hopes_section(dataclasses.replace(assessed, assessment=changed))
    assert part.count("<td>\u2013</td></tr>") == 1
    assert hopes_section(dataclasses.replace(assessed, assessment=None)) == ""
