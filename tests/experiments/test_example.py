from ultimate_deep.experiments.example import PREDICT


def test_the_script_that_the_worked_example_starts_is_there():
    assert PREDICT.is_file()
