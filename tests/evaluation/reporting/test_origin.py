"""How a report came about, in its page and its JSON."""

import dataclasses
import re

from ultimate_deep.evaluation.reporting.json_report import report_json
from ultimate_deep.evaluation.reporting.report import render_report
from ultimate_deep.evaluation.reporting.sections_origin import reproduce_section, steps_section


def test_the_command_and_the_fingerprint_stand_in_page_and_json(assessed):
    page, fields = render_report(assessed), report_json(assessed)
    origin = fields["origin"]
    (typed,) = re.findall(r"<pre><code>(.*?)</code></pre>", page, flags=re.DOTALL)
    assert typed.replace("&amp;", "&").split("\n") == origin["lines"]
    assert f"<td>{origin['bars']}</td>" in page
    for name, version in origin["versions"].items():
        assert f"<td>{name}</td><td>{version}</td>" in page
    assert "<li>The ledger counted 2 models.</li>" in page


def test_steps_stand_in_their_order_with_their_sum(assessed):
    section = steps_section(assessed.origin)
    rows = re.findall(r"<tr.*?><td>(.*?)</td><td>.*?>([\d.,]+)<", section)
    assert rows == [
        ("reading bars", "1.2"), ("features", "0.5"), ("training", "61.0"), ("together", "62.8"),
    ]  # fmt: skip
    assert "interrupted" not in section
    resumed = dataclasses.replace(assessed.origin, resumed=True)
    assert "since it went on" in steps_section(resumed)


def test_what_is_not_known_leaves_no_section(assessed):
    untimed = dataclasses.replace(assessed.origin, seconds={})
    assert steps_section(untimed) == steps_section(None) == reproduce_section(None) == ""
    assert report_json(dataclasses.replace(assessed, origin=None))["origin"] is None
