"""How nets are trained on written pictures, as a frozen dataclass; importable without Keras."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from ultimate_deep.machine.fields import check_fields, check_seed
from ultimate_deep.training.config import FitConfig


@dataclass(frozen=True, kw_only=True)
class PrecomputedConfig:
    """One net for each folder of pictures.

    Args:
        data: Folders that `ultimate-deep gaf` has written, one for each length of bars.
        output: Folder of the results; one for each of `data` is made in it.
        model: `gaf_cnn`, a ResNet-18; `bar_image_cnn`, fewer convolutions that keep where in the
            picture something is.
        preset: Preset of the model; `gaf_resnet18` of `gaf_cnn` is the specification's.
        options: Settings of the model that the preset has otherwise, such as
            `{pretrained_weights: resnet18.pth}`.
        cost_bps: What one side of a trade costs, in basis points, for what a pattern is worth.
        seed: Seed of the weights and of the order of the pictures.
        fit: How to train.
    """

    data: tuple[str, ...] = ()
    output: str = "artifacts/gaf_cnn"
    model: Literal["gaf_cnn", "bar_image_cnn"] = "gaf_cnn"
    preset: str = "default"
    options: dict[str, Any] = field(default_factory=dict, hash=False)
    cost_bps: float = 1.0
    seed: int = 0
    fit: FitConfig = FitConfig()

    def __post_init__(self) -> None:
        check_fields(self)
        check_seed("seed", self.seed)
        if not self.data:
            raise ValueError(
                "data must name a folder of pictures, got none; write one with `ultimate-deep gaf` "
                "and give --data '[FOLDER]'"
            )
        names = [Path(one).name for one in self.data]
        if len(set(names)) < len(names):
            raise ValueError(f"folders of data must have different names, got {names}; rename one")
        if not 0 <= self.cost_bps < 10_000:
            raise ValueError(f"cost_bps must be in [0, 10000), got {self.cost_bps}; use e.g. 1.0")
