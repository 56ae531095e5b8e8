"""Compare saved models on the same bars: who has an edge, who can be told from whom.

    python train_scripts/compare_models.py --bundles '[artifacts/a, artifacts/b]'

The same as `ultimate-deep compare`, with the same settings: `--help` lists them.
"""

from ultimate_deep.commands import start

if __name__ == "__main__":
    start("compare")
