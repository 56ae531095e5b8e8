"""Starting up, and what TensorFlow is kept from saying."""

import logging

import pytest
from rich.console import Console

from ultimate_deep.training.backend import load_backend, many_models, start_up


class Heard(logging.Handler):
    def __init__(self):
        super().__init__()
        self.messages = []

    def emit(self, record):
        self.messages.append(record.getMessage())


@pytest.fixture
def heard():
    handler = Heard()
    logging.getLogger("tensorflow").addHandler(handler)
    yield handler.messages
    logging.getLogger("tensorflow").removeHandler(handler)


@pytest.mark.parametrize("start", [load_backend, lambda: start_up(Console(quiet=True))])
def test_a_bad_number_of_threads_is_told_before_anything_is_loaded(monkeypatch, start):
    monkeypatch.setenv("TF_NUM_INTEROP_THREADS", "two")
    with pytest.raises(ValueError, match=r"TF_NUM_INTEROP_THREADS .*'two'; give it one, or unset"):
        start()


def test_many_models_may_be_traced_without_a_warning(heard):
    logger = logging.getLogger("tensorflow")
    known = "5 out of the last 5 calls triggered tf.function retracing."
    with many_models():
        logger.warning(known)
        logger.warning("something else")
    logger.warning(known)
    assert heard == ["something else", known]
