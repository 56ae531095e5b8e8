import json

from ultimate_deep.training.loop.early_stopping import LossWatch


def test_best_epoch_and_patience():
    watch = LossWatch(patience_epochs=2, min_delta=0.0)
    improved = [watch.update(epoch, loss) for epoch, loss in enumerate([3.0, 2.0, 2.0], start=1)]
    assert improved == [True, True, False]
    assert (watch.best, watch.best_epoch, watch.exhausted) == (2.0, 2, False)
    assert not watch.update(4, 2.5)
    assert watch.exhausted


def test_small_falls_do_not_count():
    watch = LossWatch(patience_epochs=1, min_delta=0.5)
    assert watch.update(1, 2.0)
    assert not watch.update(2, 1.6)
    assert watch.best == 2.0


def test_zero_patience_never_ends():
    watch = LossWatch(patience_epochs=0, min_delta=0.0)
    for epoch in range(1, 100):
        watch.update(epoch, 1.0)
    assert not watch.exhausted


def test_state_survives_json_bit_for_bit():
    watch = LossWatch(patience_epochs=3, min_delta=0.0)
    assert LossWatch.restore(json.loads(json.dumps(watch.state()))) == watch
    watch.update(1, 0.1 + 0.2)
    assert LossWatch.restore(json.loads(json.dumps(watch.state()))) == watch
