"""Reports as PDF: the page on paper, refused in time where nothing can write it."""

import importlib.util

import pytest

from ultimate_deep.evaluation.reporting import pdf
from ultimate_deep.evaluation.reporting.page import details, render_page, section
from ultimate_deep.evaluation.reporting.pdf import (
    NoPdfError,
    check_form,
    paper_page,
    pdf_beside,
    write_pdf,
)

PICTURE = '<svg viewBox="0 0 9 9"><rect width="9" height="9" style="fill: var(--good)"/></svg>'
PAGE = render_page(
    "a & b", section("One", PICTURE, details("More", "<p>folded</p>")), simulated=False
)


def test_paper_has_nothing_folded_and_colours_instead_of_their_names():
    paper = paper_page(PAGE)
    assert "<details open>" in paper
    body = paper.partition("</style>")[2]
    assert "var(" not in body
    assert "fill: #04654f" in body
    assert "var(--good)" in paper.partition("</style>")[0]  # the sheet knows its variables


@pytest.mark.skipif(importlib.util.find_spec("weasyprint") is None, reason="no WeasyPrint here")
def test_a_page_becomes_a_pdf_beside_it(tmp_path):
    page = tmp_path / "report.html"
    page.write_text(PAGE, encoding="utf-8")
    written = pdf_beside(page)
    assert written == tmp_path / "report.pdf"
    assert written.read_bytes().startswith(b"%PDF-")
    assert sorted(one.name for one in tmp_path.iterdir()) == ["report.html", "report.pdf"]


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (ModuleNotFoundError("No module named 'weasyprint'"), "pip install 'weasyprint>=70,<71'"),
        (OSError("cannot load library 'libpango-1.0-0'"), "apt-get install libpango-1.0-0"),
    ],
)
def test_without_the_library_it_is_refused_with_a_remedy(tmp_path, monkeypatch, error, told):
    def absent(name):
        raise error

    monkeypatch.setattr(pdf.importlib, "import_module", absent)
    with pytest.raises(NoPdfError, match="a report as PDF needs") as refused:
        check_form("pdf")
    assert told in str(refused.value)
    with pytest.raises(NoPdfError):
        write_pdf(tmp_path / "x.pdf", PAGE)
    assert not list(tmp_path.iterdir())
    check_form("html")
