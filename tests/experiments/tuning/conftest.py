"""What saves time where a search's bundle is looked at and its charts are not."""

import pytest


@pytest.fixture
def without_charts(monkeypatch):
    """Leave out the report's page, a third of a small run's time; every other file is written."""
    monkeypatch.setattr(
        "ultimate_deep.evaluation.reporting.report.render_report", lambda _: "<p>no charts</p>"
    )
