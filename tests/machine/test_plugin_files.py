"""A plugin of several files: found beside it, covered by its hash, forgotten with it."""

import hashlib
import os
import sys
from pathlib import Path

import pytest

from ultimate_deep import plugins
from ultimate_deep.features import feature_names
from ultimate_deep.machine.plugins import is_loaded, missing_plugins, plugin_files, plugin_records

FEATURE = """
from ultimate_deep import plugins
{imports}

@plugins.feature(warmup_bars=1)
def {name}(bars):
    return bars["open"] / bars["close"].shift(1) - 1
"""


@pytest.fixture(autouse=True)
def nothing_stays():
    paths, modules = list(sys.path), set(sys.modules)
    finders, features = list(sys.meta_path), feature_names()
    yield
    left = [
        name
        for name in set(sys.modules) - modules
        if name.startswith(("beside", "deeper", "pack", "ultimate_deep_plugins"))
    ]
    assert (sys.path, list(sys.meta_path), feature_names()) == (paths, finders, features)
    assert not left


@pytest.fixture(autouse=True)
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


def write(path, imports="", name="own_gap"):
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    Path(path).write_text(FEATURE.format(imports=imports, name=name))
    return path


def digest(path):
    return hashlib.sha256(Path(path).read_bytes()).hexdigest()


def test_a_plugin_that_imports_nothing_of_its_own_keeps_the_hash_of_its_file():
    write("alone.py", "import statistics\nimport pandas\nfrom ultimate_deep import features")
    Path("pandas.py").write_text("")  # installed packages and Python's own library come first
    Path("statistics.py").write_text("")
    with plugins.plugins_loaded(["alone.py"]):
        assert plugin_records() == {"alone": digest("alone.py")}
        assert plugin_files() == {}
        assert missing_plugins({"alone": digest("alone.py")}) == []


@pytest.mark.parametrize(
    "imports",
    [
        "import beside",
        "from beside import *",
        "import sys\nsys.path.insert(0, __file__.rpartition('/')[0])\nimport beside",
        "import importlib\nimportlib.import_module('beside')",
    ],
)
def test_its_hash_covers_what_it_imports_and_the_refusal_names_the_file(imports, monkeypatch):
    monkeypatch.setattr(sys, "dont_write_bytecode", False)
    write("mine.py", imports)
    Path("beside.py").write_text("import deeper.inner\n")
    Path("deeper").mkdir()
    Path("deeper/inner.py").write_text("K = 1\n")
    Path("unused.py").write_text("")
    with plugins.plugins_loaded(["mine.py"]):
        records, files = plugin_records(), plugin_files()
        assert set(files["mine"]) == {"mine.py", "beside.py", "deeper/inner.py"}
        assert missing_plugins(records, files) == []
        assert sys.modules["deeper.inner"].K == 1
    Path("unused.py").write_text("K = 2\n")
    with plugins.plugins_loaded(["mine.py"]):
        assert missing_plugins(records, files) == []
    before = Path("deeper/inner.py").stat()
    Path("deeper/inner.py").write_text("K = 2\n")  # as long and as old: bytecode would be stale
    os.utime("deeper/inner.py", ns=(before.st_atime_ns, before.st_mtime_ns))
    with plugins.plugins_loaded(["mine.py"]):
        assert sys.modules["deeper.inner"].K == 2
        (said,) = missing_plugins(records, files)
    assert said.startswith(f"mine.py (SHA-256 {records['mine'][:16]}...), and ")
    assert said.endswith(": changed: deeper/inner.py")
    with plugins.plugins_loaded(["mine.py"]):
        (said,) = missing_plugins({"mine": digest("mine.py")})  # of a bundle from before
    assert said.endswith(": imported and not recorded: beside.py, deeper/inner.py")


def test_the_order_of_loading_does_not_matter():
    for name in ("one", "two"):
        write(f"{name}.py", "import beside", f"own_{name}")
    Path("beside.py").write_text("K = 1\n")
    found = []
    for order in (("one.py", "two.py"), ("two.py", "one.py")):
        with plugins.plugins_loaded(order):
            found.append((plugin_records(), plugin_files()))
    assert found[0] == found[1]
    assert set(found[0][1]["two"]) == {"two.py", "beside.py"}
    with plugins.plugins_loaded(["one.py"]):
        with plugins.plugins_loaded(["two.py"]):
            pass
        assert sys.modules["beside"].K == 1  # the first one's still
        Path("beside.py").write_text("K = 2\n")
        with pytest.raises(plugins.PluginError, match=r"beside.py has changed since the plugin on"):
            plugins.load("two.py")
        with pytest.raises(plugins.PluginError, match=r"another one: changed: beside.py; rename"):
            plugins.load("one.py")


def test_two_modules_of_one_name_are_not_mistaken_for_each_other():
    for folder in ("a", "b"):
        write(f"{folder}/mine_{folder}.py", "import beside", f"own_{folder}")
        Path(folder, "beside.py").write_text(f"K = {folder!r}\n")
    with plugins.plugins_loaded(["a/mine_a.py"]):
        with pytest.raises(plugins.PluginError, match=r"b/beside.py, and the plugin mine_a has"):
            plugins.load("b/mine_b.py")
        assert sys.modules["beside"].K == "a"
    with plugins.plugins_loaded(["b/mine_b.py"]):
        assert sys.modules["beside"].K == "b"


def test_what_lies_elsewhere_on_the_path_is_not_guessed_at(monkeypatch):
    write("a/mine.py", "import beside")
    Path("a/beside.py").write_text("")
    Path("b").mkdir()
    Path("b/beside.py").write_text("")
    with monkeypatch.context() as path:
        path.syspath_prepend("b")
        with pytest.raises(plugins.PluginError, match=r"two: .*a/beside.py beside it and .*b/besi"):
            plugins.load("a/mine.py")
        path.syspath_prepend("a")  # the same file by another way
        sys.path.remove("b")
        import beside  # type: ignore[import-not-found]

        with plugins.plugins_loaded(["a/mine.py"]):
            assert sys.modules["beside"] is not beside
        assert sys.modules.pop("beside") is beside


def test_what_the_text_does_not_show_is_refused():
    Path("lib").mkdir()
    Path("lib/beside.py").write_text("")
    shown = "import sys, pathlib, importlib\nhere = pathlib.Path(__file__).parent\n"
    write("mine.py", f"{shown}sys.path.append(str(here / 'lib'))\nimport beside")
    with pytest.raises(plugins.PluginError, match=r"lib/beside.py, which its hash does not cover"):
        plugins.load("mine.py")
    sys.path.remove(str(Path("lib").resolve()))
    del sys.modules["beside"]
    Path("beside.py").write_text("")
    write("mine.py", f"{shown}importlib.import_module('be' + 'side')")
    with pytest.raises(plugins.PluginError, match=r"read from the text: write `import beside`"):
        plugins.load("mine.py")
    write("mine.py", "import besides")
    with pytest.raises(plugins.PluginError, match=r"install besides, or put besides.py into"):
        plugins.load("mine.py")


@pytest.mark.parametrize("asked", ["in/pack", "in/pack/__init__.py", "pack"])
def test_a_package_is_a_plugin_called_after_its_folder(asked, here, monkeypatch):
    write("in/pack/feats.py", "from .tools import K\nfrom pack.sub import L")
    Path("in/pack/__init__.py").write_text("from . import feats\n")
    Path("in/pack/tools.py").write_text("K = 1\n")
    Path("in/pack/sub").mkdir()
    Path("in/pack/sub/__init__.py").write_text("from ..tools import K as L\n")
    write("other/__init__.py", name="own_other")
    with monkeypatch.context() as path:
        if asked == "pack":
            path.syspath_prepend(str(here / "in"))
        with plugins.plugins_loaded([asked, "other"]):
            assert plugins.loaded()["pack"].registered == ["feature own_gap"]
            assert plugins.loaded()["other"].sha256 == digest("other/__init__.py")
            assert set(plugin_files()["pack"]) == {
                "pack/__init__.py", "pack/feats.py", "pack/tools.py", "pack/sub/__init__.py",
            }  # fmt: skip
            assert set(plugin_files()["other"]) == {"other/__init__.py"}
            assert is_loaded("in/pack")
            assert is_loaded("pack")
            assert not is_loaded("sub")
            records, files = plugin_records(), plugin_files()
    assert missing_plugins(records, files)[0].startswith("other (SHA-256 ")


def test_one_module_of_a_package_is_refused_where_it_needs_the_package():
    write("pack/sub/feats.py", "from ..tools import K")
    Path("pack/sub/__init__.py").write_text("")
    Path("pack/__init__.py").write_text("")
    Path("pack/tools.py").write_text("K = 1\n")
    with pytest.raises(plugins.PluginError, match="line 3, so it needs its package") as refused:
        plugins.load("pack/sub/feats.py")
    _, _, remedy = str(refused.value).partition("--plugin ")
    folder, _, rest = remedy.partition(", ")
    _, _, line = rest.partition("__init__.py: ")
    Path("pack/__init__.py").write_text(line + "\n")
    with plugins.plugins_loaded([folder]):
        assert plugins.loaded()["pack"].registered == ["feature own_gap"]
    write("loose.py", "from .beside import K")
    with pytest.raises(plugins.PluginError, match=r"in no package; write `import beside`, which"):
        plugins.load("loose.py")
    write(
        "loose.py", "try:\n    from .beside import K\nexcept ImportError:\n    from beside import K"
    )
    Path("beside.py").write_text("K = 1\n")
    with plugins.plugins_loaded(["loose.py"]):
        assert set(plugin_files()["loose"]) == {"loose.py", "beside.py"}


def test_a_module_of_a_package_may_name_its_package(monkeypatch, here):
    write("in/pack/feats.py", "from pack.tools import K")
    Path("in/pack/__init__.py").write_text("")
    Path("in/pack/tools.py").write_text("K = 1\n")
    with monkeypatch.context() as path:
        path.syspath_prepend(str(here / "in"))
        with plugins.plugins_loaded(["pack.feats"]):
            assert set(plugin_files()["feats"]) == {"feats.py", "tools.py", "__init__.py"}
            assert is_loaded("pack.feats")


@pytest.mark.parametrize(
    ("folder", "said"),
    [
        ("bare", "the folder bare holds no __init__.py"),
        ("statistics", "a module called statistics is there already"),
        ("not-a-word", "a package is called by a word"),
    ],
)
def test_a_folder_that_is_no_plugin_says_why(folder, said):
    Path(folder).mkdir()
    if folder != "bare":
        write(f"{folder}/__init__.py")
    with pytest.raises(plugins.PluginError, match=said):
        plugins.load(folder)


@pytest.mark.parametrize(
    ("file", "text", "said"),
    [
        ("mine.py", "\nraise RuntimeError('boom')\n", r"RuntimeError: boom \(.*mine.py, line 2\)"),
        ("mine.py", "x = 1\ny = = 2\n", r"SyntaxError: invalid syntax \(.*mine.py, line 2\)"),
        ("beside.py", "\n\nassert False\n", r"fails: AssertionError \(.*beside.py, line 3\)"),
        ("beside.py", "(\n", r"SyntaxError: '\(' was never closed \(.*beside.py, line 1\)"),
        ("beside.py", "import json\njson.loads('{')\n", r"JSONDecodeError: .*beside.py, line 2\)"),
    ],
)  # fmt: skip
def test_errors_of_an_import_name_file_and_line(file, text, said):
    write("mine.py", "import beside")
    Path("beside.py").write_text("")
    Path(file).write_text(text)
    with pytest.raises(plugins.PluginError, match=said):
        plugins.load("mine.py")


def test_what_a_plugin_imports_may_import_the_plugin():
    write("mine.py", "import beside")
    Path("beside.py").write_text("import mine\nK = 1\n")
    with plugins.plugins_loaded(["mine.py"]):
        plugin = plugins.loaded()["mine"]
        assert sys.modules["beside"].mine is plugin.module
        assert plugin.registered == ["feature own_gap"]
    assert "mine" not in sys.modules


def test_an_import_inside_a_function_is_found_and_covered():
    write("mine.py", "def later():\n    import beside\n    return beside.K")
    Path("beside.py").write_text("K = 1\n")
    with plugins.plugins_loaded(["mine.py"]):
        assert plugins.loaded()["mine"].module.later() == 1
        assert "beside.py" in plugin_files()["mine"]
