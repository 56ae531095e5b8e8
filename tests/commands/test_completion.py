"""What a shell offers when its user presses the tabulator."""

import subprocess

import pytest

from ultimate_deep.commands import COMMANDS, main
from ultimate_deep.commands.completion import SHELLS, script

# Sources a script, then completes the words that follow it.
ASK = """
source "$1"; shift
compopt() { :; }
COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); COMPREPLY=()
_shtab_ultimate_deep
printf '%s\\n' "${COMPREPLY[@]}"
"""


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """A folder with a script for bash, two folders of runs, a module, a table and settings."""
    place = tmp_path_factory.mktemp("place")
    (place / "completion.bash").write_text(script("bash"))
    for run in ("artifacts/lstm-1", "artifacts/mlp-2", "others/tcn-3"):
        (place / run).mkdir(parents=True)
        (place / run / "manifest.json").write_text("{}")
    (place / "artifacts" / "mlp-4.unfinished").mkdir()
    for file in ("mine.py", "bars.csv", "small_mine.yaml"):
        (place / file).write_text("")
    return place


def offered(place, *words):
    done = subprocess.run(
        ["bash", "-c", ASK, "bash", place / "completion.bash", "ultimate-deep", *words],
        capture_output=True, text=True, check=True, cwd=place,
    )  # fmt: skip
    assert not done.stderr
    return set(done.stdout.split())


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (("wal",), {"walk-forward"}),
        (("--c",), {"--completion"}),
        (("--completion", ""), set(SHELLS)),
        (("run", "--fit.ep"), {"--fit.epochs"}),
        (("run", "--model", "ls"), {"lstm"}),
        (("train", "--model.name", "xg"), {"xgboost"}),
        (("detect-leaks", "--model", "ls"), {"lstm"}),
        (("run", "--config", "s"), {"seed", "small", "small_mine.yaml"}),
        (("run", "--baselines", ""), {"true", "false"}),
        (("tune", "--tune.search", ""), {"random", "hyperband"}),
        (("run", "--help.d"), {"--help.data"}),
        (("run", "--help.a"), {"--help.all"}),
        (("run", "--plugin", "mi"), {"mine.py"}),
        (("check", "mi"), {"mine.py"}),
        (("predict", "--data.path", "ba"), {"bars.csv"}),
        (("runs", ""), {"list", "show", "compare"}),
        (("runs", "show", ""), {"lstm-1", "mlp-2"}),
        (("runs", "show", "--artifacts", "others", ""), {"tcn-3"}),
        (("runs", "compare", "lstm-1", "ml"), {"mlp-2"}),
        (("predict", "--bundle", "ml"), {"mlp-2"}),
    ],
)
def test_a_shell_offers_what_can_be_written_there(place, words, expected):
    assert offered(place, *words) == expected


@pytest.mark.parametrize("shell", SHELLS)
def test_every_shell_knows_every_command(shell):
    written = script(shell)
    assert not [name for name in COMMANDS if name not in written]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--completion"], "the name of a shell: bash, zsh, tcsh\n"),
        (
            ["--completion", "fish"],
            "zsh, tcsh; there is none for 'fish'",
        ),
    ],
)
def test_a_shell_that_is_not_known_is_refused_with_those_that_are(capsys, arguments, said):
    with pytest.raises(SystemExit) as ended:
        main(arguments)
    assert ended.value.code == 2
    assert said in capsys.readouterr().err
