"""Call one worker after the other, as lines of JSON ask: `["worker.py", "argument", ...]`.

The answer to each is a line, `done` or `failed`; what went wrong stands on standard error.
"""

import importlib.util
import json
import os
import sys
import traceback
import warnings
from pathlib import Path

# Keras 3.15 copies variables through a NumPy signature that NumPy 2.4 deprecates.
warnings.filterwarnings("error")
warnings.filterwarnings("ignore", message=".*__array__ implementation doesn't accept a copy.*")


def main():
    # What libraries print must not stand between the answers.
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    for line in sys.stdin:
        worker, *arguments = json.loads(line)
        try:
            spec = importlib.util.spec_from_file_location(Path(worker).stem, worker)
            module = importlib.util.module_from_spec(spec)
            spec.loader.exec_module(module)
            module.main(*arguments)
        except Exception:
            traceback.print_exc()
            answer = "failed"
        else:
            answer = "done"
        print(answer, file=answers, flush=True)


if __name__ == "__main__":
    main()
