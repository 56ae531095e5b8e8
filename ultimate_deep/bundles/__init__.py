"""A trained model on disk and back, and what it says of bars."""

from typing import TYPE_CHECKING

from ultimate_deep.machine.lazy import lazy_names

if TYPE_CHECKING:
    from ultimate_deep.bundles.bundle import Bundle, load_any, load_bundle
    from ultimate_deep.bundles.contents import BundleContents
    from ultimate_deep.bundles.ensembles.bundle import EnsembleBundle
    from ultimate_deep.bundles.manifest import BundleError
    from ultimate_deep.bundles.predicting import bundle_config, predict_bars
    from ultimate_deep.bundles.predictor import Predictor
    from ultimate_deep.bundles.writing import save_bundle

_HOMES = {
    "bundle": ("Bundle", "load_any", "load_bundle"),
    "contents": ("BundleContents",),
    "ensembles.bundle": ("EnsembleBundle",),
    "manifest": ("BundleError",),
    "predicting": ("bundle_config", "predict_bars"),
    "predictor": ("Predictor",),
    "writing": ("save_bundle",),
}
__getattr__, __dir__ = lazy_names(__name__, _HOMES)

__all__ = [
    "Bundle",
    "BundleContents",
    "BundleError",
    "EnsembleBundle",
    "Predictor",
    "bundle_config",
    "load_any",
    "load_bundle",
    "predict_bars",
    "save_bundle",
]
