"""The plugins that the documentation shows keep the contracts that it tells of."""

import re
import textwrap
from pathlib import Path

import pytest

from ultimate_deep import plugins
from ultimate_deep.experiments.checking.check import check_plugin

PAGE = Path(__file__).resolve().parents[2] / "docs" / "plugins.md"
BLOCKS = [
    block
    for block in re.findall(r"^```python\n(.*?)^```", PAGE.read_text(), re.MULTILINE | re.DOTALL)
    if "import plugins" in block
]
_, _, SHOWN = (plugins.__doc__ or "").partition("    from ultimate_deep import plugins\n")
DOCSTRING = "from ultimate_deep import plugins\n" + textwrap.dedent(SHOWN.partition("\n\nA ")[0])


@pytest.mark.parametrize("text", [*BLOCKS, DOCSTRING], ids=lambda text: text.count("\n"))
def test_what_is_shown_keeps_its_contracts(text, tmp_path):
    path = tmp_path / "shown.py"
    path.write_text(text)
    with plugins.plugins_loaded([path]):
        found = list(check_plugin(plugins.loaded()["shown"]))
        assert found
        assert not [one for one in found if not one.kept]


def test_the_page_shows_one_of_each_kind():
    whole = "".join(BLOCKS)
    for kind in ("feature(", "net", "loss", "label", "steps("):
        assert f"plugins.{kind}" in whole
