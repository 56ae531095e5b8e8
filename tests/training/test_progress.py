import io
import re
import time

from rich.console import Console

from ultimate_deep.training.progress import BarProgress, LineProgress, make_progress

ROW = {
    "epoch": 1,
    "loss": 0.7,
    "validation_loss": 0.69,
    "validation_accuracy": 0.5,
    "validation_auc": 0.51,
    "learning_rate": 1e-3,
    "seconds": 2.0,
}


def test_lines_show_the_first_loss_and_then_follow_the_clock():
    stream = io.StringIO()
    progress = LineProgress(stream, every_seconds=3600.0)
    progress.start(epochs=2, steps_per_epoch=100, epoch=0, step=0)
    for step in range(1, 50):
        progress.step(1, step, 0.7)
    progress.epoch(ROW)
    lines = stream.getvalue().splitlines()
    assert lines[0] == "epoch 1/2 step 1/100 loss 0.7000"
    assert len(lines) == 2
    assert lines[1].startswith("epoch 1/2 loss 0.7000 validation loss 0.6900 accuracy 0.5000")


def test_lines_keep_coming_while_something_is_busy():
    stream = io.StringIO()
    with LineProgress(stream, every_seconds=0.02).busy("tracing and compiling 500 blocks"):
        time.sleep(0.2)
    lines = stream.getvalue().splitlines()
    assert lines[0] == "tracing and compiling 500 blocks ..."
    assert len(lines) >= 4
    assert re.fullmatch(r"tracing and compiling 500 blocks: done in \d+\.\d s", lines[-1])


def test_lines_say_where_a_resumed_run_goes_on():
    stream = io.StringIO()
    LineProgress(stream).start(epochs=5, steps_per_epoch=30, epoch=2, step=7)
    assert stream.getvalue() == "going on at epoch 3, after 7 of 30 steps\n"


def test_a_bar_on_a_terminal_and_lines_elsewhere():
    terminal = Console(file=io.StringIO(), force_terminal=True, width=120)
    progress = make_progress(terminal)
    assert isinstance(progress, BarProgress)
    assert isinstance(make_progress(Console(file=io.StringIO())), LineProgress)
    with progress.busy("tracing"):
        pass
    progress.start(epochs=2, steps_per_epoch=10, epoch=0, step=0)
    progress.step(1, 10, 0.6931)
    progress.epoch(ROW)
    progress.close()
    drawn = terminal.file.getvalue()
    assert "10/20" in drawn
    assert "loss 0.6931" in drawn
    assert "validation loss 0.6900" in drawn
