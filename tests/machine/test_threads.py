import pytest
import sklearn.ensemble  # noqa: F401  brings OpenMP
from threadpoolctl import threadpool_info

from ultimate_deep.machine.threads import openmp_threads


def _threads():
    return {pool["num_threads"] for pool in threadpool_info() if pool["user_api"] == "openmp"}


def test_openmp_is_limited_in_the_block_alone():
    before = _threads()
    assert before
    with openmp_threads(1):
        assert _threads() == {1}
    assert _threads() == before


def test_the_limit_ends_with_an_error_too():
    before = _threads()
    with pytest.raises(ValueError, match="stop"), openmp_threads(1):
        raise ValueError("stop")
    assert _threads() == before


def test_no_limit_changes_nothing():
    before = _threads()
    with openmp_threads(None):
        assert _threads() == before
