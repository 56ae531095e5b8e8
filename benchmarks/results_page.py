"""The page of results, `docs/results.md`, made from the tables in `benchmarks/results/`.

    python benchmarks/results_page.py            # writes docs/results.md
    python benchmarks/results_page.py --check    # says whether it is up to date

Every figure on the page is read from a CSV file that a benchmark has written; nothing is measured
here. A second or so.
"""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
if str(ROOT) not in sys.path:
    # Run as a script, Python looks in this file's folder, not in the project's.
    sys.path.insert(0, str(ROOT))

from benchmarks.page import depth, flagship, models, pictures, speed, workers  # noqa: E402
from benchmarks.page.tables import MACHINE  # noqa: E402

PAGE = ROOT / "docs" / "results.md"
OPENING = """# Results

Made by `python benchmarks/results_page.py` from the tables in `benchmarks/results/`; a test holds
the two together. Times and memory are of one virtual machine with two cores (`{machine}`),
peers measured in the same run. Each section names the script that measured it. What the figures
mean: [Evaluation](evaluation.md).
"""


SECTIONS = (
    models.real_bars,
    models.verdicts,
    models.hard_markets,
    models.headlines,
    flagship.flagship,
    flagship.ablation,
    flagship.depth_study,
    flagship.known_answer,
    models.depths,
    models.planted_signals,
    models.cost_of_models,
    speed.cost_of_features,
    depth.first_steps,
    depth.deep_stacks,
    speed.backtests,
    speed.significance,
    speed.pictures,
    pictures.from_files,
    pictures.default_run,
    models.half_the_bits,
    workers.measured,
    workers.on_paper,
    workers.transports,
    workers.feature_files,
    workers.on_gpu,
    speed.missed,
)


def page() -> str:
    """Return the whole page."""
    parts = [OPENING.format(machine=MACHINE), *(section() for section in SECTIONS)]
    return "\n".join(part.strip("\n") + "\n" for part in parts)


def main(arguments: Sequence[str] | None = None) -> int:
    """Write the page, or say whether it is up to date."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--check", action="store_true", help="Write nothing; 1 if it is stale")
    checking = parser.parse_args(arguments).check
    text = page()
    if not checking:
        PAGE.write_text(text, encoding="utf-8")
        print(PAGE)
        return 0
    fresh = PAGE.is_file() and PAGE.read_text(encoding="utf-8") == text
    print("up to date" if fresh else f"{PAGE} is not what the tables say; run this without --check")
    return 0 if fresh else 1


if __name__ == "__main__":
    sys.exit(main())
