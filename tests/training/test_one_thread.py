"""Narrow compiled stacks share no operation among threads, and what the user says stays."""

import os
import subprocess
import sys

from ultimate_deep.machine.threads import OURS, POOLS

CODE = """
import os
import ultimate_deep
import tensorflow as tf
from ultimate_deep.training.backend import one_thread_for_each_operation

def tell():
    print(one_thread_for_each_operation(), tf.config.threading.get_intra_op_parallelism_threads())

ours = os.environ["TF_NUM_INTRAOP_THREADS"]
os.environ["TF_NUM_INTRAOP_THREADS"] = ours + "0"
tell()
os.environ["TF_NUM_INTRAOP_THREADS"] = ours
tell()
tf.constant(1.0) + 1.0
tell()
"""


def test_one_thread_unless_the_user_has_said_otherwise():
    environment = {name: value for name, value in os.environ.items() if name not in (*POOLS, OURS)}
    done = subprocess.run(
        [sys.executable, "-c", CODE], env=environment, capture_output=True, text=True
    )
    assert done.stdout.splitlines() == ["False 0", "True 1", "True 1"], done.stderr
