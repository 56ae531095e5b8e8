"""The pages say what is there: links lead somewhere, commands and settings exist, none is lost."""

import ast
import dataclasses
import fnmatch
import importlib
import re
import tomllib
from functools import cache
from pathlib import Path

import pytest

from ultimate_deep.commands import COMMANDS
from ultimate_deep.commands.help_text import groups
from ultimate_deep.commands.settings import experiment_from
from ultimate_deep.experiments.learners.registry import resolved
from ultimate_deep.features.registry import FAMILIES, OPTIONAL_FAMILIES
from ultimate_deep.market.reading.formats import FORMATS
from ultimate_deep.models.registry import BUILDERS, preset_config
from ultimate_deep.pipeline.config import ExperimentConfig
from ultimate_deep.training.losses.loss_config import NAMES as LOSSES

ROOT = Path(__file__).resolve().parents[2]
DOCS = ROOT / "docs"
PAGES = sorted([*DOCS.glob("*.md"), *(DOCS / "reference").glob("*.md")])
ENTRANCES = [
    ROOT / name for name in ("README.md", "CONTRIBUTING.md", "UPGRADING.md", "SECURITY.md")
]
LINK = re.compile(r"\]\(([^)\s]+)\)")
# Options of one script alone are looked up in its text, those of a section in the configuration.
OPTION = re.compile(r"--[a-z_]+(?:\.[a-z_]+)*")


def pages() -> list[Path]:
    return [*PAGES, *ENTRANCES]


def anchors(page: Path) -> set[str]:
    """What a heading's anchor is called, as Markdown renderers have it."""
    titles = re.findall(r"^#+ (.*)$", page.read_text(), re.MULTILINE)
    plain = [re.sub(r"[^\w\- ]", "", title.lower()) for title in titles]
    return {title.strip().replace(" ", "-") for title in plain}


@pytest.mark.parametrize("page", pages(), ids=lambda page: page.name)
def test_links_lead_somewhere(page):
    lost = []
    for target in LINK.findall(page.read_text()):
        if re.match(r"[a-z]+:", target):
            continue
        path, _, anchor = target.partition("#")
        place = (page.parent / path).resolve() if path else page
        if not place.exists() or (anchor and anchor not in anchors(place)):
            lost.append(target)
    assert not lost


def test_every_page_is_in_a_toctree_and_every_entry_is_a_page_or_a_pattern():
    listed = []
    for page in PAGES:
        for block in re.findall(r"```\{toctree\}\n(.*?)```", page.read_text(), re.DOTALL):
            entries = [line for line in block.splitlines() if line and line[0] not in ":"]
            folder = page.parent.relative_to(DOCS)
            listed += [(folder / entry).as_posix() for entry in entries]
    names = {page.relative_to(DOCS).with_suffix("").as_posix() for page in PAGES}
    lost = {name for name in names if not any(fnmatch.fnmatch(name, entry) for entry in listed)}
    assert lost == {"index"}
    assert not [entry for entry in listed if "*" not in entry and entry not in names]


def now_cells(text: str) -> list[str]:
    """The last cell of every row of a table that has two: what is to be used now."""
    return [one[1] for one in re.findall(r"^\| (.*?) \| (.*) \|$", text, re.MULTILINE)]


# The specification's own test holds each of its commands to that command's options.
@pytest.mark.parametrize(
    "page",
    [page for page in pages() if page.name != "specification.md"],
    ids=lambda page: page.name,
)
def test_scripts_and_settings_that_a_page_names_exist(page):
    # What a page shows of an error may name what does not exist.
    text = re.sub(r"^```console$.*?^```$", "", page.read_text(), flags=re.MULTILINE | re.DOTALL)
    if page.name == "UPGRADING.md":
        text = "\n".join(now_cells(text))
    scripts = set(re.findall(r"(?:python|`)\s*((?:train_scripts|benchmarks)/\w+\.py)", text))
    assert not {script for script in scripts if not (ROOT / script).is_file()}
    known = options_of_sections() | options_of_scripts()
    given = {option[2:] for option in OPTION.findall(text)}
    unknown = {name for name in given if name not in known and "options." not in name}
    assert not unknown


@cache
def options_of_sections() -> set[str]:
    """Dotted names of every field of the configuration."""

    def names(cls, prefix=""):
        for field in dataclasses.fields(cls):
            yield prefix + field.name
            default = field.default_factory() if field.default is dataclasses.MISSING and (
                field.default_factory is not dataclasses.MISSING) else field.default  # fmt: skip
            if dataclasses.is_dataclass(default):
                yield from names(type(default), f"{prefix}{field.name}.")

    return set(names(ExperimentConfig))


@cache
def options_of_scripts() -> set[str]:
    """What the scripts, the benchmarks and the Makefile's tools call by name."""
    sources = [*ROOT.glob("train_scripts/*.py"), *ROOT.glob("benchmarks/*.py")]
    sources += [*ROOT.glob("ultimate_deep/experiments/**/*.py"), ROOT / "tests" / "conftest.py"]
    found = {name[2:] for path in sources for name in OPTION.findall(path.read_text())}
    return found | options_of_commands()


@cache
def options_of(command: str) -> set[str]:
    """Every option of a command, from its own parser."""
    module = importlib.import_module(f"ultimate_deep.commands.{command.replace('-', '_')}")
    parser = module.parser()
    known = {name.lstrip("-") for name in parser._option_string_actions}
    known |= {f"help.{group}" for group in (*groups(parser._actions), "all")}
    has = {"model": parser.has_model}
    has |= dict.fromkeys(("plugin", "device"), parser.has_plugins)
    return known | {name for name, there in has.items() if there}


def options_of_commands() -> set[str]:
    """Every option of any command."""
    return {"help", "version", "completion"}.union(*map(options_of, COMMANDS))


@pytest.mark.contract(by="family")
@pytest.mark.parametrize("family", [*FAMILIES, *OPTIONAL_FAMILIES])
def test_every_family_of_features_is_told_of(family):
    assert f"| `{family}`" in (DOCS / "features.md").read_text()


def registered(path: str, name: str) -> list[str]:
    """Keys of a literal dictionary, without importing what it registers."""
    for node in ast.parse((ROOT / path).read_text()).body:
        if isinstance(node, ast.AnnAssign) and getattr(node.target, "id", "") == name:
            return [key.value for key in node.value.keys]
    raise AssertionError(f"{path} has no {name}")


NETS = registered("models/registry.py", "BUILDERS")
TREES = registered("models/trees/registry.py", "TREES")


@pytest.mark.contract
@pytest.mark.parametrize("name", [*NETS, *TREES])
def test_every_model_stands_in_the_row_of_what_it_reads(name):
    table = (DOCS / "models.md").read_text().partition("## What each reads")[2].partition("## ")[0]
    assert f"`{name}`" in table


@pytest.mark.contract
@pytest.mark.parametrize("name", LOSSES)
def test_every_loss_is_told_of(name):
    assert re.search(rf"fit.loss.name .*`?{name}\b", (DOCS / "models.md").read_text())


@pytest.mark.contract
@pytest.mark.parametrize("name", FORMATS)
def test_every_format_is_told_of(name):
    assert f"| `{name}` |" in (DOCS / "settings.md").read_text()


@cache
def defined(path: Path) -> set[str]:
    """Names that a module defines or imports."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            found.add(node.name)
        elif isinstance(node, ast.ImportFrom):
            found |= {alias.asname or alias.name for alias in node.names}
        elif isinstance(node, ast.Assign):
            found |= {target.id for target in node.targets if isinstance(target, ast.Name)}
        elif isinstance(node, ast.AnnAssign):
            found.add(ast.unparse(node.target))
    return found


def test_what_upgrading_names_is_there():
    text = (ROOT / "UPGRADING.md").read_text()
    lost = []
    for dotted in set(re.findall(r"`(ultimate_deep\.[\w.]+)`", "\n".join(now_cells(text)))):
        parts = dotted.split(".")
        for end in range(len(parts), 0, -1):
            place = ROOT.joinpath(*parts[:end])
            module = place.with_suffix(".py")
            path = module if module.is_file() else place / "__init__.py"
            if path.is_file():
                lost += [dotted] if not set(parts[end:]) <= defined(path) else []
                break
        else:
            lost.append(dotted)
    assert len(re.findall(r"^\| `", text, re.MULTILINE)) > 200
    assert not lost


def test_every_room_is_told_of():
    rooms = {path.parent.name for path in (ROOT / "ultimate_deep").glob("*/__init__.py")}
    table = (DOCS / "architecture.md").read_text().partition("## The rooms")[2]
    assert len(rooms) > 8
    assert not {room for room in rooms if f"`{room}/`" not in table}


def test_every_command_and_its_script_stand_on_its_page():
    page = (DOCS / "command.md").read_text()
    assert not [name for name in COMMANDS if f"| `{name}` | " not in page]
    for path in ROOT.glob("train_scripts/*.py"):
        started = re.search(r'start\("([\w-]+)"\)', path.read_text())
        row = f"| `{path.name}` | " + (f"`ultimate-deep {started[1]}`" if started else "")
        assert row in page


def test_options_are_on_the_commands_that_the_page_names():
    table = (DOCS / "command.md").read_text().partition("## What they share")[2]
    trains = set(re.findall(r"`([\w-]+)`", table.partition(" train.\n")[0]))
    rows = re.findall(r"^\| `(--[\w.]+)[^`]*` \| (.*?) \|", table, re.MULTILINE)
    assert len(rows) > 8
    for option, cell in rows:
        named = set(re.findall(r"`([\w-]+)`", cell)) | (trains if "what trains" in cell else set())
        on = set(COMMANDS) - named if cell.startswith("all but") else named
        has = {name for name in COMMANDS if option.lstrip("-") in options_of(name)}
        # There it is a model that stands in, not the one to be trained.
        assert on == has - ({"detect-leaks"} if option == "--model" else set()), option


def test_the_learning_rates_and_batches_on_the_page_are_those_of_the_presets():
    table = (
        (DOCS / "settings.md").read_text().partition("| learning rate |")[2].partition("\n\n")[0]
    )
    rows = re.findall(r"^\| (`.+`), `(\w+)`" + 5 * r" \| (\S+)" + r" \|$", table, re.MULTILINE)
    told = {}
    for names, preset, *said in rows:
        told |= {(model, preset): said for model in re.findall(r"`(\w+)`", names)}
    assert len(told) == 17
    (others,) = re.findall(r"^\| other nets .+, `default` \| (.+) \|$", table, re.MULTILINE)
    others = others.split(" | ")
    for model, preset in [(name, "default") for name in BUILDERS] + list(told):
        config = experiment_from(["--model", model, "--model.preset", preset])
        fit = resolved(config).fit
        members = getattr(preset_config(model, preset), "members", 1)
        hidden = "augmentation" if fit.augmentations else "members" if members > 1 else "-"
        weights = f"{fit.return_weights:g}" if fit.return_weights else "-"
        found = [fit.learning_rate, fit.batch_size, fit.epochs, weights, hidden]
        rate, batch, epochs, *words = told.get((model, preset), others)
        assert found == [float(rate), int(batch), int(epochs), *words], (model, preset)


def test_the_drawing_names_functions_that_exist():
    drawing = (DOCS / "_static" / "life_of_a_bar.svg").read_text()
    drawn = {name.split(".")[-1] for name in re.findall(r'class="code"[^>]*>([\w.]+)<', drawing)}
    assert len(drawn) > 15
    text = "\n".join(path.read_text() for path in ROOT.glob("ultimate_deep/**/*.py"))
    text += (ROOT / "features" / "compute.py").read_text()
    assert not {name for name in drawn if not re.search(rf"^ *def {name}\(", text, re.MULTILINE)}


def test_results_are_what_the_tables_say(monkeypatch):
    monkeypatch.syspath_prepend(str(ROOT))
    made = importlib.import_module("benchmarks.results_page").page()
    assert (DOCS / "results.md").read_text() == made, "run: python benchmarks/results_page.py"


def test_citation_and_project_agree():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    citation = (ROOT / "CITATION.cff").read_text()
    for name in ("version", "license"):
        assert re.search(rf"^{name}: {re.escape(project[name])}$", citation, re.MULTILINE), name
    assert (ROOT / "LICENSE").read_text().split()[:4] == ["Apache", "License", "Version", "2.0,"]
    assert project["license-files"] == ["LICENSE"]


def test_a_commit_is_checked_by_the_tools_of_make_lint():
    recipe = (ROOT / "Makefile").read_text().partition("\nlint:")[2].partition("\n\n")[0]
    tools = set(re.findall(r"\$\(BIN\)/([\w-]+)", recipe))
    hooks = set(re.findall(r"\.venv/bin/([\w-]+)", (ROOT / ".pre-commit-config.yaml").read_text()))
    assert tools == hooks
