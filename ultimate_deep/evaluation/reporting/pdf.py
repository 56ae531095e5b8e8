"""A report's page as a PDF: the same page on paper, folded parts open, in the light colours.

Needs WeasyPrint, the extra `pdf`; it is imported here alone, and only when a PDF is asked for.
"""

import importlib
import re
from pathlib import Path
from types import ModuleType
from typing import Literal

from ultimate_deep.evaluation.reporting.style import LIGHT
from ultimate_deep.machine.files import whole_file

ReportForm = Literal["html", "pdf"]

_VARIABLE = re.compile(r"var\((--[\w-]+)\)")
_SHOWN_ERROR = 200


class NoPdfError(ValueError):
    """A PDF was asked for, and what writes it is not there."""


def check_pdf() -> ModuleType:
    """Return the library that writes PDFs; called before long work, so that it is not lost.

    Raises:
        NoPdfError: It is not installed, or a library of the system that it needs is not.
    """
    try:
        return importlib.import_module("weasyprint")
    except ImportError as error:
        raise NoPdfError(
            f"a report as PDF needs WeasyPrint, got {error}; run `pip install "
            "'weasyprint>=70,<71'`, or leave the PDF out"
        ) from error
    except OSError as error:  # it opens Pango when it is imported
        raise NoPdfError(
            f"a report as PDF needs the library Pango, got {str(error)[:_SHOWN_ERROR]}; install it "
            "(on Debian `apt-get install libpango-1.0-0 libpangoft2-1.0-0`), or leave the PDF out"
        ) from error


def pdf_beside(page: Path) -> Path:
    """Write a page's PDF under its name beside it, and return the path."""
    return write_pdf(page.with_suffix(".pdf"), page.read_text(encoding="utf-8"))


def check_form(form: ReportForm) -> None:
    """Refuse a form of the report that nothing here can write; see `check_pdf`."""
    if form == "pdf":
        check_pdf()


def write_pdf(path: str | Path, page: str) -> Path:
    """Write a page as a PDF, whole or not at all, and return the path.

    Args:
        path: File to write or to replace.
        page: A whole page, as `render_page` gives it.
    """
    library = check_pdf()
    with whole_file(Path(path)) as draft:
        library.HTML(string=paper_page(page)).write_pdf(draft)
    return Path(path)


def paper_page(page: str) -> str:
    """Return the page for paper: nothing folded, and colours instead of names of colours."""
    style, sign, body = page.replace("<details>", "<details open>").partition("</style>")
    # The style sheet knows its variables; pictures are drawn by what does not.
    named = _VARIABLE.sub(lambda found: LIGHT.get(found.group(1), "sans-serif"), body)
    return style + sign + named
