"""How the documentation is built: `make docs`, offline, every warning an error."""

import os
import re
import sys
import tempfile
from pathlib import Path
from typing import Any

from sphinx.errors import ExtensionError

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "docs")]
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("KERAS_BACKEND", "tensorflow")
os.environ.setdefault("MPLBACKEND", "Agg")

from docstrings import mend, shorten, untyped  # noqa: E402
from reference import write_reference  # noqa: E402

project = "Ultimate Deep"
author = "The Ultimate Deep authors"
copyright = "the Ultimate Deep authors, Apache-2.0"

extensions = [
    "myst_parser",
    "sphinx.ext.autodoc",
    "sphinx.ext.napoleon",
    "sphinx.ext.viewcode",
]
exclude_patterns = [
    "_build",
    "**sg_execution_times.rst",
    "**/README.rst",
    "gallery/**/*.py",
    "gallery/**/*.ipynb",
]

# What examples try is counted in a ledger of their own.
os.environ["ULTIMATE_DEEP_HOME"] = tempfile.mkdtemp(prefix="ultimate-deep-docs-")


def forget_plugins(configuration: object, example: object) -> None:
    """Let no example see what another one has registered."""
    from ultimate_deep.machine import plugins

    plugins.forget_plugins()


# The function above is asked for at every build, so that the gallery's settings are not cached.
suppress_warnings = ["config.cache"]

# Examples are pages once there are any.
EXAMPLES = ROOT / "examples"
if list(EXAMPLES.glob("*.py")):
    extensions.append("sphinx_gallery.gen_gallery")
    sphinx_gallery_conf = {
        "examples_dirs": str(EXAMPLES),
        "gallery_dirs": "gallery",
        "filename_pattern": r"\.py$",
        "copyfile_regex": r"$^",
        "download_all_examples": False,
        "show_memory": False,
        "show_signature": False,
        # Its table loads scripts from elsewhere.
        "write_computation_times": False,
        "min_reported_time": 1,
        "reference_url": {},
        "within_subsection_order": "FileNameSortKey",
        "reset_modules": ("matplotlib", forget_plugins),
    }

# Markdown.
myst_enable_extensions = ["colon_fence", "deflist"]
myst_heading_anchors = 3

# Docstrings: Google style, plain types, one entry for each name.
add_module_names = False
autodoc_member_order = "bysource"
autodoc_typehints = "none"
autodoc_preserve_defaults = True
autodoc_default_options = {"members": True, "ignore-module-all": True}
napoleon_google_docstring = True
napoleon_numpy_docstring = False
napoleon_use_rtype = False
napoleon_custom_sections = [("Attributes", "params_style"), ("Class attributes", "params_style")]

# Every reference must lead somewhere. Names in single backticks are code here, not references.
nitpicky = True
nitpick_ignore_regex = [
    # Other projects' types: their inventories would have to be fetched.
    (r"py:.*", r"(abc|collections|keras|numpy|pandas|sklearn|sqlite3|tensorflow|typing)\..*"),
]
default_role = "code"

# Pages: nothing is loaded from elsewhere.
html_theme = "pydata_sphinx_theme"
html_title = "Ultimate Deep"
html_static_path = ["_static"]
html_css_files = ["pages.css"]
html_show_sourcelink = False
html_copy_source = False
# A bar at the side where there are pages to choose from.
html_sidebars = {
    "*": [],
    "reference/**": ["sidebar-nav-bs"],
    "gallery/**": ["sidebar-nav-bs"],
}
html_theme_options: dict[str, Any] = {
    "navbar_align": "left",
    "header_links_before_dropdown": 7,
    "navigation_depth": 2,
    "show_nav_level": 1,
    "secondary_sidebar_items": ["page-toc"],
    "footer_start": ["copyright"],
    "footer_end": [],
    "pygments_light_style": "tango",
    "pygments_dark_style": "github-dark",
}


def drop_empty_patterns(app: Any, docname: str, source: list[str]) -> None:
    """Leave out patterns of the front page's toctree that no page matches, such as of examples."""
    if docname == "index":
        found = Path(app.srcdir)
        lines = source[0].splitlines()
        kept = [one for one in lines if one[-1:] != "*" or any(found.glob(f"{one}.*"))]
        source[0] = "\n".join(kept)


def refuse_other_hosts(app: Any, exception: Exception | None) -> None:
    """Fail where a built page would load something from elsewhere; links may lead there.

    Raises:
        ExtensionError: Naming the first page and what it loads.
    """
    if exception is not None or app.builder.format != "html":
        return
    loaded = re.compile(
        r"""<(?:link|script|img|iframe|source)\b[^>]*(?:src|href)="https?://[^"]*"""
    )
    for page in sorted(Path(app.outdir).rglob("*.html")):
        if found := loaded.search(page.read_text(encoding="utf-8")):
            raise ExtensionError(
                f"{page} loads from elsewhere: {found.group()}; ship it in _static"
            )


def setup(app: Any) -> None:
    """Write the reference's pages before any page is read, and mend docstrings as they come."""
    app.connect("builder-inited", lambda app: write_reference(Path(app.srcdir) / "reference"))
    app.connect("source-read", drop_empty_patterns)
    app.connect("build-finished", refuse_other_hosts)
    app.connect("autodoc-process-docstring", mend, priority=400)  # before napoleon
    app.connect("autodoc-process-docstring", untyped, priority=600)
    app.connect("autodoc-process-signature", shorten)
