"""JSON that would take the program down is refused, and the reason said in few words."""

import json
import os

import pytest

from ultimate_deep.machine.plain_json import (
    MOST_BYTES,
    JsonError,
    TooMuchError,
    parse_json,
    read_json,
)


def test_plain_values_come_back(tmp_path):
    value = {"a": [1, 2.5, None, {"b": "ü"}], "c": {}}
    (tmp_path / "a.json").write_text(json.dumps(value))
    assert read_json(tmp_path / "a.json") == value
    assert parse_json(b"7") == 7


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (b"[" * 100_000 + b"]" * 100_000, "deeper than 64"),
        (b'{"a":' * 65 + b"1" + b"}" * 65, "deeper than 64"),
        (b"[NaN]", "the number NaN"),
        (b"-Infinity", "the number -Infinity"),
        (b'{"a": 1e999}', "the number 1e999"),
        (b"{", "not JSON"),
        (b"\xff\xfe", "not JSON"),
        (b"1" * 5000, "not JSON"),
    ],
)
def test_what_is_no_sound_json_is_refused(text, reason):
    with pytest.raises(JsonError, match=reason) as caught:
        parse_json(text)
    assert len(str(caught.value)) < 300


def test_depth_is_counted_exactly():
    assert parse_json(b"[" * 64 + b"]" * 64)


@pytest.mark.parametrize("value", ["[]", "{}", '{"a":1}', "0.1", '"ab"', "[[[1]]]"])
def test_values_that_would_fill_the_memory_are_counted_before_they_are_made(value):
    text = f"[{','.join([value] * 50)}]".encode()
    assert len(parse_json(text)) == 50
    assert len(parse_json(text, most_memory=600 * 50)) == 50
    with pytest.raises(TooMuchError, match=r"its values would take .* bytes of memory"):
        parse_json(text, most_memory=49 * 64)
    with pytest.raises(TooMuchError, match="at most 134,217,728"):
        parse_json(f"[{f'{value},' * (2**24 // len(value))}0]".encode())


def test_only_regular_files_of_bounded_size_are_read(tmp_path):
    with pytest.raises(JsonError, match="no regular file"):
        read_json(tmp_path)
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(JsonError, match="no regular file"):
        read_json(tmp_path / "pipe")
    with (tmp_path / "large.json").open("wb") as file:
        file.truncate(MOST_BYTES + 1)
    with pytest.raises(JsonError, match="at most"):
        read_json(tmp_path / "large.json")
