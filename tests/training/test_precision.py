import pytest

from ultimate_deep.training import precision
from ultimate_deep.training.accelerator import Accelerator
from ultimate_deep.training.precision import (
    check_precision,
    hardware_sentence,
    resolve_precision,
)


@pytest.fixture
def without_gpu(monkeypatch):
    monkeypatch.setattr(precision, "accelerator", lambda: None)


@pytest.mark.parametrize(
    ("flags", "policy", "reason"),
    [
        ("fpu avx512f avx512_bf16 amx_bf16", "mixed_bfloat16", "avx512_bf16 and amx_bf16"),
        ("fpu avx2 avx512f", "float32", "neither AVX512-BF16 nor AMX"),
    ],
)
@pytest.mark.usefixtures("without_gpu")
def test_auto_follows_the_cpu(tmp_path, flags, policy, reason):
    info = tmp_path / "cpuinfo"
    info.write_text(f"model name\t: x\nflags\t\t: {flags}\n")
    assert resolve_precision("auto", half_on_cpu=True, cpu_info=info) == policy
    assert reason in hardware_sentence(precision.COMPUTE_DTYPE[policy], info)
    # Nets that are no faster for it compute in float32, and the plan says why.
    assert resolve_precision("auto", cpu_info=info) == "float32"
    assert reason in (said := hardware_sentence("float32", info))
    assert ("not for nets of this size" in said) == (policy != "float32")
    assert "no processor is faster by float16" in hardware_sentence("float16+float32", info)


@pytest.mark.usefixtures("without_gpu")
def test_unknown_hardware_runs_float32(tmp_path):
    absent = tmp_path / "absent"
    assert resolve_precision("auto", half_on_cpu=True, cpu_info=absent) == "float32"
    assert "unknown" in hardware_sentence("float32", absent)


@pytest.mark.parametrize(
    ("capability", "policy"),
    [((6, 1), "float32"), ((7, 5), "mixed_float16"), ((9, 0), "mixed_bfloat16")],
)
def test_auto_follows_the_gpu(monkeypatch, capability, policy):
    monkeypatch.setattr(precision, "accelerator", lambda: Accelerator(0, "a card", capability))
    assert resolve_precision("auto") == policy


def test_asked_for_is_given_and_unknown_is_refused():
    assert resolve_precision("mixed_float16") == "mixed_float16"
    with pytest.raises(ValueError, match="float64"):
        resolve_precision("float64")


def test_a_model_in_another_precision_is_refused():
    check_precision("auto", "bfloat16+float32")
    check_precision("mixed_bfloat16", "bfloat16+float32")
    with pytest.raises(ValueError, match="computes in float32"):
        check_precision("mixed_bfloat16", "float32")
