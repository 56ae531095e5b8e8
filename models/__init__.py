"""Deep nets by name: importing this package also tells Keras about every layer of ours.

`keras.models.load_model` refuses a file with layers it has never heard of, so the layers
are imported here eagerly; the builders stay lazy and are found through `models.registry`.
"""

from ultimate_deep.models import layers
from ultimate_deep.models.heads import Heads
from ultimate_deep.models.registry import BUILDERS, build_model, config_class, search_space

__all__ = ["BUILDERS", "Heads", "build_model", "config_class", "layers", "search_space"]
