"""What a bug report holds, and the prediction that must come out to the bit."""

import numpy as np

from ultimate_deep.experiments import diagnosis


def exact_twin() -> tuple[np.ndarray, float, float]:
    """The same net in float64: its logits, its largest sum of sizes, and its finest unit."""
    shapes = {weight.path: weight.shape for weight in diagnosis.exact_model().weights}
    draw = np.random.default_rng(0)
    all_weights = {name: draw.integers(-2, 3, shape) / 2 for name, shape in shapes.items()}
    sizes, units = [0.0], [1.0]

    def dense(values: np.ndarray, kernel: np.ndarray, bias: np.ndarray) -> np.ndarray:
        sizes.append(float((np.abs(values) @ np.abs(kernel) + np.abs(bias)).max()))
        return noted(values @ kernel + bias)

    def noted(values: np.ndarray) -> np.ndarray:
        while not np.array_equal(values / units[-1], np.round(values / units[-1])):
            units.append(units[-1] / 2)
        return values

    def of(name: str) -> np.ndarray:
        return all_weights[name]

    x = dense(draw.integers(-4, 5, (3, 6)) / 2, of("stem/kernel"), of("stem/bias"))
    for block in range(4):
        branch = x
        for part in ("1", "2"):
            offset, kernel, bias = (
                of(f"residual_stack/{name}")[block]
                for name in (f"norm_{part}_offset", f"dense_{part}_kernel", f"dense_{part}_bias")
            )
            branch = dense(np.maximum(branch + offset, 0), kernel, bias)
        x = noted(x + branch / 2)
    return dense(x, of("logits/kernel"), of("logits/bias"))[:, 0], max(sizes), min(units)


def test_the_known_prediction_is_that_of_a_twin_and_needs_no_rounding():
    twin, largest, unit = exact_twin()
    assert largest / unit < 2**24, "float32 holds every sum, in whatever order it is taken"
    assert [one.hex() for one in twin.tolist()] == list(diagnosis.EXACT)
    np.testing.assert_array_equal(diagnosis.exact_logits(), twin)


def test_a_diagnosis_says_all_is_well_and_what_is_not(monkeypatch):
    found = diagnosis.diagnose()
    assert found.problems == ()
    assert found.lines["prediction"] == "exact to the bit"
    assert {"python", "libraries", "processor", "memory", "devices", "extras"} <= set(found.lines)
    wrong = diagnosis.exact_logits() * np.float32(1 + 2**-23)
    monkeypatch.setattr(diagnosis, "exact_logits", lambda: wrong)
    found = diagnosis.diagnose()
    assert found.lines["prediction"] == "wrong"
    assert "run it again with TF_ENABLE_ONEDNN_OPTS=0, and report both" in found.problems[0]


def test_a_ledger_that_cannot_be_written_is_a_problem(monkeypatch):
    monkeypatch.setenv("ULTIMATE_DEEP_HOME", "/dev/null/nowhere")
    assert diagnosis.ledger_state()[0] == "cannot be written"
    (problem,) = diagnosis.ledger_state()[1]
    assert "/dev/null/nowhere/ledger.sqlite must be a file that can be written" in problem
    monkeypatch.setenv("ULTIMATE_DEEP_HOME", "here")
    assert "must be an absolute path" in diagnosis.ledger_state()[1][0]


def test_a_ledger_that_is_none_is_a_problem(tmp_path, monkeypatch):
    monkeypatch.setenv("ULTIMATE_DEEP_HOME", str(tmp_path))
    assert diagnosis.ledger_state() == (str(tmp_path / "ledger.sqlite"), [])
    (tmp_path / "ledger.sqlite").write_text("no database, but long enough to be read as one")
    place, (problem,) = diagnosis.ledger_state()
    assert place.endswith("ledger.sqlite, damaged")
    assert "is no trial ledger or is damaged" in problem
