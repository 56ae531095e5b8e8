"""Look for leaks: does any step of a run know what it cannot know yet?

    python train_scripts/detect_leaks.py --bundle artifacts/latest [--steps my_steps.py:steps]

The same as `ultimate-deep detect-leaks`, with the same settings: `--help` lists them.
"""

from ultimate_deep.commands import start

if __name__ == "__main__":
    start("detect-leaks")
