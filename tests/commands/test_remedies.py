"""What bars are refused for names options on the command line, and they work when followed."""

import re
import shlex

import numpy as np
import pandas as pd
import pytest

from ultimate_deep.commands.remedies import READING, in_options
from ultimate_deep.market.bars import BarsError
from ultimate_deep.market.config import DataConfig, LabelSpec
from ultimate_deep.market.market import load_market
from ultimate_deep.market.readers import read_files


def table(rows=60, **columns):
    index = pd.date_range("2023-01-02", periods=rows, freq="1h", name="timestamp")
    close = 100.0 + np.arange(rows) / 10
    frame = pd.DataFrame({"open": close, "high": close + 1, "low": close - 1, "close": close,
                          "volume": 5.0}, index=index)  # fmt: skip
    return frame.assign(**columns)


def twice(frame):
    return pd.concat([frame.iloc[:3], frame.iloc[2:].assign(volume=7.0)])


FILES = {
    "no zone": lambda path: table().to_csv(path),
    "two orders": lambda path: table().to_csv(path, date_format="%d/%m/%Y %H:%M"),
    "an unknown name": lambda path: table().rename(columns={"close": "fin"}).to_csv(path),
    "two volumes": lambda path: table(v=1.0).rename(columns={"volume": "vol"}).to_csv(path),
    "a bad row": lambda path: table(rows=60).replace(101.5, -3.0).to_csv(path),
    "a time twice": lambda path: twice(table()).to_csv(path),
    "bad adjustment": lambda path: table(adj_close=0.0).to_csv(path),
    "ends": lambda path: table().set_axis(
        table().index + pd.Timedelta("59min 59s"), axis=0).to_csv(path, index_label="timestamp"),
    "missing volume": lambda path: table().replace(
        {"volume": {5.0: np.nan}}).assign(volume=[np.nan, *[3.0] * 59]).to_csv(path),
    "integers of MetaTrader": lambda path: (table().round(0) * 1000).astype(int).rename(
        columns={"volume": "tick_volume"}).to_csv(path),
    "ticks": lambda path: table().set_axis(
        table().index + pd.to_timedelta(np.arange(60) ** 2 % 53, unit="min"), axis=0).to_csv(
            path, index_label="timestamp"),
    "ten digits": lambda path: table().to_csv(path, date_format="%y%m%d%H%M"),
    "a short name of a zone": lambda path: table().to_csv(path, date_format="%Y-%m-%d %H:%M EST"),
    "ends of days": lambda path: table().set_axis(
        [f"{t:%Y-%m-%d} {t.hour + 1}:00" for t in table().index], axis=0
    ).to_csv(path, index_label="timestamp"),
    "LEAN by its looks": lambda path: (table().round(0) * 10_000).astype(int).to_csv(
        path, header=False, date_format="%Y%m%d %H:%M"),
    "halted": lambda path: table(open=[100.5] * 55 + [0] * 5, high=[110.0] * 55 + [0] * 5,
        low=[90.0] * 55 + [0] * 5, close=[100.0] * 55 + [0] * 5).to_csv(path),
    "commas": lambda path: table().map("{:.3f}".format).map(
        lambda text: text.replace(".", ",")).to_csv(path, sep="|"),
}  # fmt: skip
OPTION = re.compile(r"--data\.(\w+) ('[^']*'|\S*[^\s,;.)])")


@pytest.mark.parametrize("name", FILES)
def test_every_remedy_is_an_option_that_works(name, tmp_path):
    """Following the first remedy of each refusal, at most four times, reads the bars."""
    path = tmp_path / "abc.csv"
    FILES[name](path)
    options: dict[str, str] = {}
    for _ in range(4):
        try:
            bars = load_market(DataConfig(path=str(path), **options), LabelSpec())
            break
        except BarsError as error:
            said = in_options(error)
        found = OPTION.search(said)
        assert found, said
        assert "repair=" not in said
        assert "timezone=" not in said
        (value,) = shlex.split(found[2])
        options[found[1]] = float(value) if found[1] == "price_scale" else value
    else:
        pytest.fail(f"{options}: {said}")
    assert options
    assert len(bars.frame()) >= 55


def test_arguments_and_options_are_the_same():
    import inspect

    arguments = set(inspect.signature(read_files).parameters)
    assert set(READING) <= arguments
    assert set(READING) == set(DataConfig.__dataclass_fields__) & set(READING)


def test_other_errors_are_left_as_they_are():
    assert in_options(ValueError("state timezone='UTC'")) == "state timezone='UTC'"
    assert in_options(ValueError("or period='all' to")) == "or --period all to"
    told = in_options(BarsError("state time_format='%d %b' or repair=\"drop\", symbol='A B'"))
    assert told == "state --data.time_format '%d %b' or --data.repair drop, --data.symbol 'A B'"
