"""Tables as files: the format is that of the name, and a name without one is refused."""

import gzip

import pandas as pd
import pytest

from ultimate_deep.machine.tables import ENDS, cell_text, check_table_file, write_table

TABLE = pd.DataFrame({"a": [1, 2], "b": [0.5, -0.5]})


@pytest.mark.parametrize("end", ENDS)
def test_a_file_holds_what_its_name_says(tmp_path, end):
    path = tmp_path / f"out{end}"
    write_table(path, TABLE)
    read = pd.read_parquet if end == ".parquet" else pd.read_csv
    pd.testing.assert_frame_equal(read(path), TABLE)
    assert [one.name for one in tmp_path.iterdir()] == [path.name]


def test_a_compressed_table_is_compressed_and_the_same_each_time(tmp_path):
    first, second = tmp_path / "a.csv.gz", tmp_path / "b.csv.gz"
    write_table(first, TABLE)
    write_table(second, TABLE)
    assert gzip.decompress(first.read_bytes()).startswith(b"a,b\n")
    assert first.read_bytes() == second.read_bytes()
    assert first.read_bytes()[4:8] == bytes(4)  # where gzip has the time


@pytest.mark.parametrize("name", ["o.xlsx", "o", "o.csv.zip", "o.parquet.gz", "o.gz"])
def test_what_is_not_written_is_refused(tmp_path, name):
    with pytest.raises(ValueError, match=rf"\.csv, \.csv\.gz, \.parquet, got .*{name}; .* o\.csv"):
        write_table(tmp_path / name, TABLE)
    assert not list(tmp_path.iterdir())


def test_a_folder_that_is_not_there_is_refused_before_anything_is_computed(tmp_path):
    with pytest.raises(FileNotFoundError, match="create it first"):
        check_table_file(tmp_path / "absent" / "o.csv")
    (tmp_path / "o.csv").mkdir()
    with pytest.raises(IsADirectoryError, match="name a file in it"):
        check_table_file(tmp_path / "o.csv")


def test_texts_that_a_spreadsheet_would_run_are_quoted(tmp_path):
    symbols = ["=CMD|' /C calc'!A0", "+1", "-x", "@SUM(A1)", "BTC-USD", "", None]
    table = pd.DataFrame({"symbol": symbols, "value": [-1.5] * 7, "text": ["a"] * 7})
    write_table(tmp_path / "a.csv", table)
    lines = (tmp_path / "a.csv").read_text().splitlines()
    assert [line.split(",")[0] for line in lines] == [
        "symbol", "'=CMD|' /C calc'!A0", "'+1", "'-x", "'@SUM(A1)", "BTC-USD", "", "",
    ]  # fmt: skip
    assert all(line.split(",")[1] == "-1.5" for line in lines[1:])
    odd = pd.DataFrame({"=1": pd.Categorical(["=2"]), "b": ["\n=3"], "c": ["＝4"], "d": ["e"]})  # noqa: RUF001
    write_table(tmp_path / "b.csv", odd)
    assert (tmp_path / "b.csv").read_text() == "'=1,b,c,d\n'=2,\"'\n=3\",'＝4,e\n"  # noqa: RUF001
    unseen = ["\u200b=5", "\ufeff@x", " \u00a0+1", "\u2060\u200d-2", "\u200bBTC"]
    assert list(map(cell_text, unseen)) == [f"'{one}" for one in unseen[:4]] + unseen[4:]
    write_table(tmp_path / "a.parquet", table)
    assert pd.read_parquet(tmp_path / "a.parquet")["symbol"].tolist()[:3] == symbols[:3]
