"""What the tests of models share."""

import pytest
import tensorflow as tf


@pytest.fixture(scope="module")
def plain_graphs():
    """Graphs run as they were traced: TensorFlow takes longer to optimize one than a few steps do.

    For nets of few steps. What a fit computes is tested with optimized graphs in `training/loop`.
    """
    tf.config.optimizer.set_experimental_options({"disable_meta_optimizer": True})
    yield
    tf.config.optimizer.set_experimental_options({"disable_meta_optimizer": False})
