"""Named configurations of a model, with the training that suits them."""

from dataclasses import dataclass
from typing import Generic, TypeVar

Config = TypeVar("Config")


@dataclass(frozen=True, kw_only=True)
class Preset(Generic[Config]):
    """A configuration with the learning rate and batch size to start from."""

    config: Config
    learning_rate: float = 1e-3
    batch_size: int = 256
