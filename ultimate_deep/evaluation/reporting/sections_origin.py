"""The report's sections on what was done in which order, and how to do it again."""

from html import escape

from ultimate_deep.evaluation.reporting.grid import at, figure_of
from ultimate_deep.evaluation.reporting.origin import Origin
from ultimate_deep.evaluation.reporting.page import bullets, section
from ultimate_deep.evaluation.reporting.tables import names_table

_PLACE = "origin"  # where it stands in the report's JSON


def steps_section(origin: Origin | None) -> str:
    """Return the steps in their order with their times; nothing where none was timed."""
    if origin is None or not origin.seconds:
        return ""
    rows = "".join(
        f"<tr><td>{escape(name)}</td><td>{_seconds(at(_PLACE, 'seconds', name), value)}</td></tr>"
        for name, value in origin.seconds.items()
    )
    total = _seconds(at(_PLACE, "total"), origin.total)
    since = "The run had been interrupted: these are the steps since it went on. "
    return section(
        "What was done, in order",
        '<table class="steps"><thead><tr><th>step</th><th>seconds</th></tr></thead>'
        f'<tbody>{rows}<tr class="model"><td>together</td><td>{total}</td></tr></tbody></table>',
        hint=since * origin.resumed + "Drawing and writing this page came after.",
    )


def _seconds(path: str, value: float) -> str:
    return figure_of(path, value, "{:,.1f}")


def reproduce_section(origin: Origin | None) -> str:
    """Return what to type for the same figures, and on what they depend."""
    if origin is None:
        return ""
    typed = escape("\n".join(origin.lines), quote=False)
    return section(
        "How to reproduce it",
        f"<pre><code>{typed}</code></pre>",
        bullets(origin.needs),
        names_table({"fingerprint of the bars": origin.bars} | dict(origin.versions)),
        hint="The same bars, versions and kind of processor give the same figures. Bars are the "
        "same where their fingerprints are.",
    )
