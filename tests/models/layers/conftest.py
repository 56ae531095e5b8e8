"""One process with Keras on JAX for all files of this folder: importing JAX takes seconds."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def on_jax(tmp_path_factory):
    """Start a worker's `main` on JAX: a function of a file beside this one and its arguments.

    It returns at once, with a function that waits for the end and raises what went wrong. XLA
    compiles without its costly optimizations, unless a worker switches them on.
    """
    log = tmp_path_factory.mktemp("on_jax") / "log"
    environment = {
        "KERAS_BACKEND": "jax",
        "JAX_PLATFORMS": "cpu",
        "JAX_DISABLE_MOST_OPTIMIZATIONS": "1",
    }
    with log.open("w") as written:
        process = subprocess.Popen(
            [sys.executable, Path(__file__).with_name("jax_process.py")],
            env={**os.environ, **environment},
            cwd=Path(__file__).parents[3],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=written,
            text=True,
        )

    def start(worker, *arguments):
        path = Path(__file__).with_name(worker)
        process.stdin.write(json.dumps([str(path), *map(str, arguments)]) + "\n")
        process.stdin.flush()

        def wait():
            answer = process.stdout.readline()
            assert answer == "done\n", log.read_text()[-3000:]

        return wait

    yield start
    process.stdin.close()
    process.stdout.close()
    assert process.wait(timeout=60) == 0
