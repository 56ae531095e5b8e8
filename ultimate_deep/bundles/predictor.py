"""What every trained model can do here, be it a net, trees or several of them together.

A kind is one class in one file and one line in `bundles.kinds.PREDICTORS`.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Self

import numpy as np
import pandas as pd

from ultimate_deep.market.windows import Windows
from ultimate_deep.pipeline.inputs.model_inputs import ModelInputs

if TYPE_CHECKING:  # predicting needs none of it
    from ultimate_deep.bundles.uncertainty import Uncertainty

Outputs = dict[str, np.ndarray]


@dataclass(frozen=True, kw_only=True, eq=False)
class Attention:
    """What a model attends to, averaged over rows.

    Args:
        units: Weight of each part of the model, `(heads, units)`; None where nothing weighs them.
        unit_names: Their labels; none where there are no weights.
        maps: Weights over time by layer, `(heads, queries, keys)`.
    """

    units: np.ndarray | None = None
    unit_names: tuple[str, ...] = ()
    maps: Mapping[str, np.ndarray] = field(default_factory=dict)


class Predictor(ABC):
    """Scaled inputs to logits of up.

    Class attributes:
        kind: Key of `bundles.kinds.PREDICTORS`, and the kind in the manifest.
        needed: Files without which it cannot be loaded, relative to its folder.
        purposes: What each file of a bundle of this kind is for, in the order of the report.
        bundle_loader: `module:function` that loads a bundle of this kind.
    """

    kind: ClassVar[str]
    needed: ClassVar[tuple[str, ...]]
    purposes: ClassVar[Mapping[str, str]]
    bundle_loader: ClassVar[str] = "ultimate_deep.bundles.bundle:load_bundle"

    @property
    def model(self) -> Any:
        """What is behind it, such as a `keras.Model`; itself where that is all there is."""
        return self

    @property
    @abstractmethod
    def horizons(self) -> int:
        """Logits per row."""

    @property
    @abstractmethod
    def shapes(self) -> Mapping[str, tuple[int, ...]]:
        """Each input's name and shape without the rows, in the model's order.

        Raises:
            BundleError: A model whose inputs or outputs no bundle can hold.
        """

    @abstractmethod
    def outputs(self, inputs: ModelInputs) -> Outputs:
        """Return `logits`, float32 `(rows, horizons)`, and every further head by name.

        Raises:
            ValueError: Other inputs than `shapes` says.
        """

    def batched(self, batch_rows: int) -> Callable[[ModelInputs], Outputs]:
        """Return `outputs` made for so many rows at once; the same function where that is all one.

        Args:
            batch_rows: Few for single rows, many for files.
        """
        return self.outputs

    def attention(self, inputs: ModelInputs) -> Attention:
        """Return what the model attends to on some rows; nothing where it does not attend."""
        return Attention()

    def uncertainty(
        self, inputs: ModelInputs, *, passes: int, temperature: float
    ) -> Uncertainty | None:
        """Return how unsure it is of each row; None where it answers once and has no voices.

        Args:
            inputs: Scaled inputs of the rows.
            passes: How often it is asked, at least 2.
            temperature: Temperature that divides the logits.
        """
        return None

    def weights(self) -> list[tuple[str, np.ndarray]]:
        """Return the weights by name, with which training may go on; none where there are none."""
        return []

    @abstractmethod
    def digest(self) -> str:
        """Return what tells this model from others, which saving and loading keep."""

    @abstractmethod
    def describe(self) -> pd.DataFrame:
        """Return the table of its parts, one row each."""

    @abstractmethod
    def save(self, folder: Path, *, temperature: np.ndarray | None = None) -> None:
        """Write its files into a folder that exists.

        Args:
            folder: Folder of the bundle.
            temperature: Temperature of each horizon, for files that calibrate by themselves; ones
                where absent.
        """

    @classmethod
    @abstractmethod
    def load(cls, folder: Path) -> Self:
        """Read what `save` wrote.

        Raises:
            ValueError: A file is missing, changed or unreadable.
        """


def named_inputs(
    inputs: ModelInputs, shapes: Mapping[str, tuple[int, ...]]
) -> dict[str, np.ndarray | Windows]:
    """Return inputs by name after checking their shapes.

    Raises:
        ValueError: Other names or shapes than the model's.
    """
    given = dict(inputs) if isinstance(inputs, Mapping) else {next(iter(shapes)): inputs}
    found = {name: tuple(values.shape[1:]) for name, values in given.items()}
    if found != dict(shapes):
        raise ValueError(f"the model takes inputs {dict(shapes)}, got {found}; give exactly those")
    return {name: given[name] for name in shapes}
