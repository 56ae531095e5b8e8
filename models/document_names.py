"""Names that the specification gives to models, and a model at one of its presets."""

from collections.abc import Mapping
from types import MappingProxyType

# What the documents call a model: its name here, and the preset that is meant.
DOCUMENT_NAMES: Mapping[str, tuple[str, str]] = MappingProxyType(
    {
        "transformer_base": ("transformer", "default"),
        "transformer_large": ("transformer", "large"),
        "lstm_baseline": ("lstm", "default"),
        "tcn_model": ("tcn", "default"),
        "hybrid": ("hybrid_lstm_transformer", "default"),
        "memory": ("memory_augmented", "default"),
        "ultimate_deep": ("ultimate", "default"),
    }
)


def document_model(name: str) -> tuple[str, str]:
    """Return the model and the preset that a name stands for.

    Args:
        name: Name of the documents, of the registry, or `model:preset`.
    """
    if name in DOCUMENT_NAMES:
        return DOCUMENT_NAMES[name]
    model, _, preset = name.partition(":")
    return model, preset or "default"
