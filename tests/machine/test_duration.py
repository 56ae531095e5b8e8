from ultimate_deep.machine.duration import Duration, Stopwatch, duration_sentence
from ultimate_deep.machine.speed import slowness


def test_durations_are_told_in_a_readable_unit():
    found = [duration_sentence(seconds) for seconds in (3.4, 150, 1_200, 10_000)]
    assert found == ["3 s", "2.5 min", "20 min", "2.8 h"]


def test_a_range_says_its_unit_once():
    assert str(Duration(120, 240)) == "2.0 to 4.0 min"
    assert str(Duration(50, 240)) == "50 s to 4.0 min"
    assert str(Duration.of(50)) == str(Duration(50.1, 50.2)) == "about 50 s"
    assert Duration(1, 2) + Duration.of(3) == Duration(4, 5)
    assert Duration(1, 2) * 1.5 == Duration(1.5, 3)


def test_a_stopwatch_tells_each_thing_by_itself():
    watch = Stopwatch()
    watch.passed("one")
    watch.passed("two")
    assert list(watch.seconds) == ["one", "two"]
    assert all(seconds >= 0 for seconds in watch.seconds.values())
    assert str(watch) == "0 s"


def test_no_machine_is_a_hundred_times_faster_or_slower():
    assert 0.01 < slowness() < 100
    assert slowness() == slowness()
