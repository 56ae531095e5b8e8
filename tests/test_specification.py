"""The page of the specification: every item once, and nothing on it that is not there."""

import ast
import importlib
import re
import runpy
import shlex
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from itertools import pairwise
from pathlib import Path

import pytest
from jsonargparse import ArgumentParser

from ultimate_deep import specification
from ultimate_deep.commands import COMMANDS, runs
from ultimate_deep.commands.command_parser import CommandParser
from ultimate_deep.commands.completion import SHELLS
from ultimate_deep.commands.help_text import help_of
from ultimate_deep.commands.parser import CONFIGS
from ultimate_deep.models.declared import declared
from ultimate_deep.models.registry import BUILDERS
from ultimate_deep.models.trees.registry import TREES

ROOT = Path(__file__).resolve().parents[1]
PAGE = ROOT / specification.PAGE
SCRIPTS = ROOT / "train_scripts"
MODELS = BUILDERS | TREES
BUILT_IN = {path.stem for path in CONFIGS.glob("*.yaml")}
ITEMS = 286
STATES = ("works", "partly", "not yet", "decided otherwise")
CODE = re.compile(r"`([^`]+)`")


@dataclass(frozen=True)
class Row:
    """A line of a table: its cells, and the number of its table on the page."""

    table: int
    cells: tuple[str, ...]

    @property
    def pointers(self) -> list[str]:
        """What the last column names."""
        return CODE.findall(self.cells[-1])


@dataclass(frozen=True)
class Item:
    """A line of a table of items."""

    row: Row
    number: int
    asks: str
    state: str


def _rows() -> Iterator[Row]:
    table, before = 0, ""
    for line in PAGE.read_text().splitlines():
        if line.startswith("|"):
            table += not before.startswith("|")
            cells = tuple(cell.strip() for cell in line.strip("|").split("|"))
            heading = not before.startswith("|") or set(line) <= set("|- ")
            if not heading:
                yield Row(table, cells)
        before = line


def _items() -> list[Item]:
    return [
        Item(row, int(row.cells[0]), row.cells[1], row.cells[2])
        for row in _rows()
        if row.cells[0].isdigit()
    ]


# What is wrong with a pointer, in words; "" where it holds.


def problem(pointer: str) -> str:
    """Say what is wrong with a path, test, module, attribute or command."""
    if pointer.startswith("ultimate-deep "):
        return _problem_of_installed(shlex.split(pointer)[1:])
    if pointer.startswith("python "):
        return _problem_of_script(shlex.split(pointer)[1:])
    if re.fullmatch(r"ultimate_deep(\.\w+)+", pointer):
        return _problem_of_name(pointer)
    path, _, test = pointer.partition("::")
    if not re.fullmatch(r"[\w./]+", path):
        return "is no path, test, module, attribute or command"
    if not (ROOT / path).exists():
        return "does not exist"
    if test and test not in _functions(ROOT / path):
        return f"has no {test}"
    return ""


def _problem_of_installed(words: list[str]) -> str:
    """Say what is wrong with arguments of `ultimate-deep`."""
    if words[0] in ("--help", "--version"):
        return ""
    if words[0] == "--completion":
        return "" if words[1:] and words[1] in (*SHELLS, "SHELL") else "names no shell"
    if words[0] not in COMMANDS:
        return f"has no command {words[0]}"
    if words[0] == "runs" and words[1:] and words[1] not in runs.DEEDS:
        return f"has no runs {words[1]}"
    return _problem_of_options(_parser_of(words[0]), words[1:])


def _problem_of_script(words: list[str]) -> str:
    script = ROOT / words[0]
    if not script.is_file():
        return f"has no script {words[0]}"
    if script.parent != SCRIPTS:
        return "names options that nobody checks" if len(words) > 1 else ""
    return _problem_of_options(_parser_of_script(script), words[1:])


def _problem_of_options(parser: CommandParser, words: list[str]) -> str:
    known = parser._option_string_actions
    named = dict(zip(words, [*words[1:], ""], strict=False))
    model = named.get("--model", "ultimate") if parser.has_model else ""
    for word, value in named.items():
        if not word.startswith("--") or (word in ("--plugin", "--device") and parser.has_plugins):
            continue
        if word == "--model" and parser.has_model:
            if value not in MODELS and value != "NAME":
                return f"has no model {value}"
        elif word.startswith("--help"):
            try:
                help_of(parser, word.removeprefix("--help").removeprefix("."))
            except ValueError:
                return f"has no {word}"
        elif word.startswith("--model.options.") and "--model.options" in known:
            options = {one.name for one in declared(MODELS[model]).options}
            if word.rpartition(".")[2] not in options:
                return f"has no model with {word}"
        elif word not in known:
            return f"has no {word}"
        elif word == "--config" and value not in ("FILE", "mine.yaml", *BUILT_IN):
            return f"has no {value}"
    return ""


def _problem_of_name(name: str) -> str:
    path, parts = ROOT, name.split(".")
    while parts and ((path / parts[0]).is_dir() or (path / f"{parts[0]}.py").is_file()):
        path = path / parts.pop(0)
    path = path / "__init__.py" if path.is_dir() else path.with_suffix(".py")
    names = _names(_tree(path))
    for place, part in enumerate(parts):
        if part not in names:
            return f"has no {'.'.join(parts[: place + 1])} in {path.relative_to(ROOT)}"
        names = _names(names[part])
    return ""


def _names(node: ast.AST) -> dict[str, ast.AST]:
    """What a module or a class defines, imports, or promises in `__all__`."""
    found: dict[str, ast.AST] = {}
    for one in getattr(node, "body", ()):
        if isinstance(one, ast.FunctionDef | ast.ClassDef):
            found[one.name] = one
        elif isinstance(one, ast.AnnAssign):
            found[ast.unparse(one.target)] = one
        elif isinstance(one, ast.Assign):
            found |= {ast.unparse(target): one for target in one.targets}
        elif isinstance(one, ast.ImportFrom):
            found |= {alias.asname or alias.name: one for alias in one.names}
    promised = found.get("__all__")
    if isinstance(promised, ast.Assign) and isinstance(promised.value, ast.List):
        strings = [text for text in promised.value.elts if isinstance(text, ast.Constant)]
        found = {str(text.value): text for text in strings} | found
    return found


@cache
def _tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text())


@cache
def _functions(path: Path) -> frozenset[str]:
    return frozenset(re.findall(r"^def (\w+)\(", path.read_text(), re.MULTILINE))


class Parser(Exception):  # noqa: N818
    """Carries a script's parser out of it, before anything is parsed."""


@cache
def _parser_of(command: str) -> CommandParser:
    """Return a subcommand's own parser; neither NumPy nor Keras is loaded for it."""
    return importlib.import_module(f"ultimate_deep.commands.{command.replace('-', '_')}").parser()


@cache
def _parser_of_script(script: Path) -> CommandParser:
    """Return a script's own parser; nothing of it runs after that."""
    if started := re.search(r'^    start\("([\w-]+)"\)$', script.read_text(), re.MULTILINE):
        return _parser_of(started[1])

    def hand_over(self: ArgumentParser, *given: object, **named: object) -> None:
        raise Parser(self)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ArgumentParser, "parse_args", hand_over)
        patch.setattr(sys, "argv", [str(script)])
        try:
            runpy.run_path(str(script), run_name="__main__")
        except Parser as found:
            return found.args[0]
    raise AssertionError(f"{script} parses nothing")


def test_every_item_has_its_line_and_no_other():
    counted = Counter(item.number for item in _items())
    assert not set(range(1, ITEMS + 1)) - set(counted), "missing"
    assert {number: times for number, times in counted.items() if times > 1} == {}
    assert max(counted) == ITEMS
    for before, after in pairwise(_items()):
        assert before.row.table != after.row.table or before.number < after.number


def test_every_line_says_what_is_asked_and_whether_it_works():
    for item in _items():
        assert len(item.row.cells) == 4, item
        assert item.asks
        assert item.state in STATES, item
        assert item.row.cells[-1], item
        if item.state in ("works", "decided otherwise"):
            assert item.row.pointers, f"{item.number} works where?"


def test_the_page_counts_its_lines():
    counted = Counter(item.state for item in _items())
    sentence = (
        f"Of the {ITEMS} items {counted['works']} work, {counted['partly']} work partly, "
        f"{counted['not yet']} do not yet, and {counted['decided otherwise']} were decided "
        "otherwise."
    )
    assert sentence in PAGE.read_text()


def test_everything_that_the_page_names_is_there():
    pointers = [pointer for row in _rows() for pointer in row.pointers]
    assert len(pointers) > 400
    wrong = [f"{pointer} {said}" for pointer in pointers if (said := problem(pointer))]
    assert not wrong


def commands_of(page: Path) -> list[str]:
    """Return every command that a page names, in its blocks and in its text."""
    text = page.read_text().replace("\\\n", " ")
    lines = [line.removeprefix("$ ") for line in text.splitlines()]
    starts = ("ultimate-deep ", "python train_scripts/")
    blocks = [re.split(r" {2,}| #| >", line)[0] for line in lines if line.startswith(starts)]
    return blocks + [
        span for span in CODE.findall(_without_blocks(text)) if span.startswith(starts)
    ]


def _without_blocks(text: str) -> str:
    return re.sub(r"^ *```.*?^ *```", "", text, flags=re.MULTILINE | re.DOTALL)


PAGES = [*sorted(PAGE.parent.glob("*.md")), ROOT / "CONTRIBUTING.md", ROOT / "SECURITY.md"]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_every_command_of_a_page_is_there_with_its_options(page):
    commands = [one for one in commands_of(page) if "..." not in one]
    assert commands or page.stem in WITHOUT_COMMANDS
    # One page shows what is said of an option that does not exist.
    wrong = {one: said for one in commands if (said := problem(one))}
    assert wrong == WRONG_ON_PURPOSE.get(page.stem, {})


WITHOUT_COMMANDS = {"architecture", "changelog", "contributing", "results", "upgrading"}
WRONG_ON_PURPOSE = {"command": {"ultimate-deep run --epochs 3": "has no --epochs"}}


@pytest.mark.parametrize("name", ["guide.md", "expected_performance.md", "settings.md"])
def test_what_a_page_says_to_say_is_there(name):
    text = _without_blocks((PAGE.parent / name).read_text())
    spans = CODE.findall(text)
    options = [one for one in spans if one.startswith("--")]
    pointers = [
        one
        for one in spans
        if "/" in one and not one.startswith(("--", "artifacts/", "python", "saved_model"))
    ]
    pointers += [f"ultimate-deep run {one}" for one in options]
    assert pointers
    assert not [f"{one} {said}" for one in pointers if (said := problem(one))]


@pytest.mark.parametrize(
    ("pointer", "said"),
    [
        ("models/nets/lstn.py", "does not exist"),
        ("tests/test_specification.py::test_that_is_not_there", "has no test_that"),
        ("tests/test_specifications.py::test_the_page_counts_its_lines", "does not exist"),
        ("ultimate_deep.models.nets.lstm.build_lstn", "has no build_lstn in .*lstm.py"),
        ("ultimate_deep.training.config.FitConfig.epoch", r"has no FitConfig\.epoch in"),
        ("ultimate_deep.bundle.bundles", "has no bundle in"),
        ("python train_scripts/trian.py", "has no script"),
        ("python train_scripts/train.py --fit.epoch 3", "has no --fit.epoch"),
        ("python train_scripts/train.py --model lstn", "has no model lstn"),
        ("python train_scripts/train.py --model.options.withd 3", "has no model with"),
        ("python train_scripts/train.py --config small.yml", "has no small.yml"),
        ("python tests/test_specification.py --all", "nobody checks"),
        ("ultimate-deep walk-sideways", "has no command walk-sideways"),
        ("ultimate-deep train --fit.epoch 3", "has no --fit.epoch"),
        ("ultimate-deep predict --model lstm", "has no --model"),
        ("ultimate-deep gaf --plugin my_own.py", "has no --plugin"),
        ("ultimate-deep run --model lstm --model.options.res_blocks_per_unit 3", "no model with"),
        ("ultimate-deep run --help.fits", "has no --help.fits"),
        ("ultimate-deep predict --list", "has no --list"),
        ("ultimate-deep run --config smal", "has no smal"),
        ("ultimate-deep --completion fish", "names no shell"),
        ("ultimate-deep runs shw", "has no runs shw"),
        ("forecasts of a run", "is no path"),
    ],
)
def test_what_is_not_there_is_noticed(pointer, said):
    assert re.search(said, problem(pointer))


def test_every_class_of_the_documents_has_its_line():
    named = {name: item for item in _items() for name in CODE.findall(item.asks)}
    for name in specification.NAMES:
        assert named[name.replace("create_trainer", "create_trainer()")].state != "not yet", name
    for name, (number, _) in specification.ABSENT.items():
        assert named[name].number == number
        assert named[name].state in ("not yet", "partly")


def test_tables_of_names_say_what_holds():
    assert not set(specification.NAMES) & set(specification.ABSENT)
    for name, (target, difference) in specification.NAMES.items():
        assert not problem(target.replace(":", ".")), name
        assert difference[0].isupper(), name
        assert difference.endswith("."), name
    for name, (_, today) in specification.ABSENT.items():
        words = re.findall(r"ultimate_deep[\w.]+|ultimate-deep [\w-]+(?: --[\w.]+ \w+)*", today)
        assert words, name
        for word in words:
            assert not problem(word), name


def test_names_are_looked_up_when_they_are_asked_for():
    code = (
        "import sys, ultimate_deep.specification as names\n"
        "assert {'LSTMPricePredictor', 'NAMES'} <= set(dir(names))\n"
        "assert 'DriftDetector' not in dir(names) and not hasattr(names, 'ModelMonitor')\n"
        "print(sorted({'keras', 'numpy', 'pandas', 'tensorflow'} & set(sys.modules)))\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT)
    assert done.stdout == "[]\n", done.stderr


def test_an_absent_name_says_so_and_what_to_use():
    said = r"DriftDetector of the documents does not exist yet \(item 79 of docs/specification.md\)"
    with pytest.raises(AttributeError, match=said + "; today .*population_stability"):
        specification.DriftDetector  # noqa: B018
    with pytest.raises(ImportError, match=said):
        from ultimate_deep.specification import DriftDetector  # noqa: F401
    with pytest.raises(AttributeError, match="no class of the documents is called 'LSTM'"):
        specification.LSTM  # noqa: B018


def test_every_name_is_what_the_table_says():
    for name, (target, _) in specification.NAMES.items():
        module, _, attribute = target.partition(":")
        assert getattr(specification, name) is getattr(importlib.import_module(module), attribute)
    # The page's own example.
    from ultimate_deep.specification import LSTMPricePredictor

    model = LSTMPricePredictor({"bars": (32, 220)})
    assert model.input_shape == (None, 32, 220)
    assert model.output_shape == (None, 1)


@pytest.mark.parametrize("preset", ["tiny", "small", "medium", "default", "seed"])
def test_the_guide_counts_the_presets_as_they_are(preset):
    from ultimate_deep.models.registry import build_model, preset_config
    from ultimate_deep.models.surgery.describe import count_layers

    inputs = {"features": (271,)}
    found = count_layers(build_model("ultimate", inputs, config=preset_config("ultimate", preset)))
    row = f"| `{preset}` | {found.weighted:,} | {found.parameters:,} |"
    assert row in (PAGE.parent / "guide.md").read_text()
