import ml_dtypes
import numpy as np
import pytest

from ultimate_deep.training.loop.checkpoint import (
    Checkpoint,
    CheckpointError,
    check_fingerprint,
    has_checkpoint,
    latest_checkpoint,
    read_checkpoint,
    write_checkpoint,
)


def some_checkpoint(step):
    arrays = {
        "kernel": np.random.default_rng(step).normal(size=(3, 4)).astype(np.float32),
        "half": np.arange(5).astype(ml_dtypes.bfloat16),
        "seed": np.array([7, step], np.uint32),
        "iterations": np.array(step, np.int64),
        "empty": np.zeros((0, 3), np.float32),
    }
    return Checkpoint({"fit.epochs": 3}, {"step": step, "best": float("inf")}, arrays)


def assert_same(found, expected):
    assert found.fingerprint == expected.fingerprint
    assert found.state == expected.state
    assert list(found.arrays) == list(expected.arrays)
    for name, values in expected.arrays.items():
        assert found.arrays[name].dtype == values.dtype
        np.testing.assert_array_equal(found.arrays[name], values)


def test_what_is_written_is_read_and_two_files_are_kept(tmp_path):
    assert latest_checkpoint(tmp_path) == (None, ())
    assert not has_checkpoint(tmp_path / "absent")
    for step in (1, 2, 3):
        path = write_checkpoint(tmp_path, some_checkpoint(step), step=step)
        assert_same(read_checkpoint(path), some_checkpoint(step))
    assert len(list(tmp_path.iterdir())) == 2
    found, refused = latest_checkpoint(tmp_path)
    assert_same(found, some_checkpoint(3))
    assert refused == ()


def test_every_changed_byte_and_every_cut_is_found(tmp_path):
    path = write_checkpoint(tmp_path, some_checkpoint(1), step=1)
    sound = path.read_bytes()
    for position in range(0, len(sound), 7):
        changed = bytearray(sound)
        changed[position] ^= 1
        path.write_bytes(changed)
        with pytest.raises(CheckpointError, match=path.name):
            read_checkpoint(path)
    for length in range(0, len(sound), 11):
        path.write_bytes(sound[:length])
        with pytest.raises(CheckpointError, match=path.name):
            read_checkpoint(path)
    path.write_bytes(sound + b"x")
    with pytest.raises(CheckpointError, match=path.name):
        read_checkpoint(path)


def test_a_damaged_file_gives_way_to_the_one_before_by_name(tmp_path):
    write_checkpoint(tmp_path, some_checkpoint(1), step=1)
    newest = write_checkpoint(tmp_path, some_checkpoint(2), step=2)
    newest.write_bytes(newest.read_bytes()[:-1])
    found, refused = latest_checkpoint(tmp_path)
    assert found.state["step"] == 1
    assert len(refused) == 1
    assert newest.name in refused[0]


def test_rewriting_a_step_keeps_the_older_file_of_it(tmp_path):
    write_checkpoint(tmp_path, some_checkpoint(5), step=5)
    again = write_checkpoint(tmp_path, some_checkpoint(6), step=5)
    assert latest_checkpoint(tmp_path)[0].state["step"] == 6
    again.write_bytes(b"")
    assert latest_checkpoint(tmp_path)[0].state["step"] == 5


def test_nothing_sound_is_an_error(tmp_path):
    path = write_checkpoint(tmp_path, some_checkpoint(1), step=1)
    path.write_bytes(b"nothing")
    with pytest.raises(CheckpointError, match="no sound checkpoint"):
        latest_checkpoint(tmp_path)


def test_a_crash_while_writing_leaves_the_last_one(tmp_path, monkeypatch):
    write_checkpoint(tmp_path, some_checkpoint(1), step=1)

    def no_space(_descriptor):
        raise OSError("no space left on device")

    monkeypatch.setattr("ultimate_deep.training.loop.checkpoint.os.fsync", no_space)
    with pytest.raises(OSError, match="no space"):
        write_checkpoint(tmp_path, some_checkpoint(2), step=2)
    assert latest_checkpoint(tmp_path)[0].state["step"] == 1


def test_another_run_is_refused_with_every_difference():
    stored = {"fit.epochs": 3, "data.train": "a", "keras": "3.15.1"}
    check_fingerprint(stored, dict(stored))
    with pytest.raises(CheckpointError, match=r"data\.train was 'a', is now 'b'; fit\.epochs was"):
        check_fingerprint(stored, stored | {"fit.epochs": 4, "data.train": "b"})
    with pytest.raises(CheckpointError, match=r"xla was 'absent', is now True"):
        check_fingerprint(stored, stored | {"xla": True})


def test_what_a_killed_write_left_goes_with_the_next(tmp_path):
    (tmp_path / ".checkpoint_000000000001.ckpt.1.part").write_bytes(b"half")
    path = write_checkpoint(tmp_path, some_checkpoint(1), step=1)
    assert list(tmp_path.iterdir()) == [path]
