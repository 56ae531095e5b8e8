"""How each metric is named and written, and what no skill would show."""

import math
from dataclasses import dataclass


@dataclass(frozen=True)
class Headline:
    """How one metric is named and written, and what no skill would show.

    Args:
        title: Name that people read.
        form: Format of the number, such as `{:.2%}`.
        no_skill: Value that no skill would show; None where there is none.
        least_is_best: Whether smaller values are better.
    """

    title: str
    form: str
    no_skill: float | None = None
    least_is_best: bool = False


HEADLINES: dict[str, Headline] = {
    "accuracy": Headline("accuracy", "{:.2%}"),
    "advantage": Headline("accuracy above the majority's", "{:+.2%}", 0.0),
    "balanced_accuracy": Headline("balanced accuracy", "{:.2%}", 0.5),
    "roc_auc": Headline("AUC", "{:.3f}", 0.5),
    "information_coefficient": Headline("information coefficient", "{:+.4f}", 0.0),
    "rank_information_coefficient": Headline("rank information coefficient", "{:+.4f}", 0.0),
    "log_loss": Headline("log loss", "{:.4f}", math.log(2.0), True),
    "brier": Headline("Brier score", "{:.4f}", 0.25, True),
    "ece": Headline("calibration error", "{:.4f}"),
    "sharpe": Headline("net Sharpe a year", "{:.2f}", 0.0),
    "sortino": Headline("net Sortino a year", "{:.2f}", 0.0),
    "mean_return_net_bps": Headline("net return per bar, bps", "{:+.3f}", 0.0),
    "total_return": Headline("net return", "{:+.1%}", 0.0),
    "annual_return": Headline("net return a year", "{:+.1%}", 0.0),
    "annual_volatility": Headline("volatility a year", "{:.1%}"),
    "max_drawdown": Headline("max drawdown", "{:.1%}"),
    "win_rate": Headline("trades won", "{:.1%}"),
    "profit_factor": Headline("profit factor", "{:.2f}", 1.0),
    "average_trade_bps": Headline("net return per trade, bps", "{:+.2f}", 0.0),
    "share_of_edge": Headline("share of this market's edge", "{:.0%}", 0.0),
}


def headline(name: str) -> Headline:
    """Return how to show the metric; a plain form for one that is not listed."""
    return HEADLINES.get(name, Headline(name.replace("_", " "), "{:.4g}"))
