"""TensorFlow's own collectives between two processes of this machine: one all-gather a step.

    python benchmarks/workers/gathering.py NUMBERS SECONDS

Each process holds so many float32; after a step both have both. Prints the median milliseconds of a
step: what the sums of two workers would take if each applied them to weights of its own.
"""

import json
import os
import socket
import subprocess
import sys
import time
from typing import Any

import numpy as np


def free_port() -> int:
    """Return a port of this machine that nobody listens on."""
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        return int(listening.getsockname()[1])


def gather(index: int, ports: list[int], numbers: int, seconds: float) -> float:
    """Take part as one of the two; return the median milliseconds of a step."""
    os.environ["TF_CONFIG"] = json.dumps(
        {
            "cluster": {"worker": [f"127.0.0.1:{port}" for port in ports]},
            "task": {"type": "worker", "index": index},
        }
    )
    import tensorflow as tf

    tf.distribute.MultiWorkerMirroredStrategy()  # which joins the two

    def gathered(values: Any, key: int) -> Any:
        return tf.raw_ops.CollectiveGatherV2(
            input=values, group_size=2, group_key=9, instance_key=key, ordering_token=[],
            communication_hint="ring",
        )  # fmt: skip

    own = tf.fill((1, numbers), np.float32(index))
    step = tf.function(lambda: gathered(own, 1), autograph=False)
    assert step().numpy()[:, 0].tolist() == [0.0, 1.0]
    began = time.perf_counter()
    step().numpy()
    # As many for both, or one waits for ever.
    wanted = tf.fill((1, 1), np.float32(seconds / (time.perf_counter() - began)))
    agreed = tf.function(lambda: gathered(wanted, 2), autograph=False)()
    times: list[float] = []
    for _ in range(max(3, int(agreed.numpy().min()))):
        began = time.perf_counter()
        step().numpy()
        times.append(time.perf_counter() - began)
    return 1e3 * float(np.median(times))


def main() -> None:
    """Start the second process and take part as the first."""
    numbers, seconds = int(sys.argv[1]), float(sys.argv[2])
    if len(sys.argv) > 3:
        gather(1, [int(port) for port in sys.argv[3:]], numbers, seconds)
        return
    ports = [free_port(), free_port()]
    other = subprocess.Popen([sys.executable, __file__, *sys.argv[1:], *map(str, ports)])
    print(gather(0, ports, numbers, seconds))
    sys.exit(other.wait())


if __name__ == "__main__":
    main()
