"""Docstrings as people write them become what docutils reads."""

import importlib.util
from pathlib import Path

import pytest

DOCS = Path(__file__).resolve().parents[2] / "docs"


def module(name: str):
    spec = importlib.util.spec_from_file_location(f"docs_{name}", DOCS / f"{name}.py")
    found = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(found)
    return found


@pytest.fixture(scope="module")
def docstrings():
    return module("docstrings")


def mended(docstrings, text: str) -> str:
    lines = text.splitlines()
    docstrings.mend(None, "function", "f", None, None, lines)
    return "\n".join(lines)


def test_an_indented_block_is_literal_once(docstrings):
    text = "It goes\n\n    a -> b\n\n    c | d\n\nand on."
    assert mended(docstrings, text) == "It goes\n\n::\n\n    a -> b\n\n    c | d\n\nand on."


def test_sections_and_lists_are_no_blocks(docstrings):
    for text in (
        "Args:\n\n    x: A number.",
        "- one\n\n    more of it",
        "Args:\n    x: One.\n\n    y: Two.",
    ):
        assert mended(docstrings, text) == text


def test_a_list_begins_after_an_empty_line(docstrings):
    assert mended(docstrings, "Two:\n- a\n  b\n- c") == "Two:\n\n- a\n  b\n- c"


def test_bars_are_no_substitutions_and_code_may_have_a_plural(docstrings):
    assert mended(docstrings, "`f`s of |x| in `|y|`.") == r"`f`\ s of \|x\| in `|y|`."


def test_a_sentence_with_a_colon_is_no_type(docstrings):
    lines = ["not the first ones.", "", ":type: Rows that have all"]
    docstrings.untyped(None, "property", "p", None, None, lines)
    assert lines == ["Rows that have all: not the first ones.", ""]


def test_a_default_that_is_a_configuration_is_shown_by_its_name(docstrings):
    whole = (
        "(*, name='', data=DataConfig(path=(), simulation=Spec(jumps=J(a=0.0))), n=(1, 2), b=B())"
    )
    short = "(*, name='', data=DataConfig(), n=(1, 2), b=B())"
    assert docstrings.without_contents(whole) == short
    assert docstrings.without_contents(short) == short


def test_every_room_has_a_page_of_the_reference():
    pages = dict(module("reference").reference_pages())
    rooms = {path.parent.name for path in (DOCS.parent / "ultimate_deep").glob("*/__init__.py")}
    assert {f"ultimate_deep.{room}" for room in rooms} <= set(pages)
    assert ".. automodule:: ultimate_deep.market.labels" in pages["ultimate_deep.market"]
    assert "``compute_features``" in pages["ultimate_deep.features"]
    face = pages["ultimate_deep"]
    assert ".. autofunction:: ultimate_deep.judge" in face
    assert ".. autoclass:: ultimate_deep.ExperimentConfig" in face
