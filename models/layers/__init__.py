"""Every layer of ours, imported eagerly so that `keras.models.load_model` knows them all."""

from models.layers.attention_stack import AttentionStack
from models.layers.clip_inputs import ClipInputs
from models.layers.dense_stack import DenseStack
from models.layers.gaf_images import GafImages
from models.layers.head_layers import OrderedQuantiles
from models.layers.lagged_attention import LaggedAttention
from models.layers.multi_scale_attention import MultiScaleAttention
from models.layers.offset import Offset
from models.layers.residual_scale import ResidualScale
from models.layers.residual_stack import ResidualStack
from models.layers.round_to_grid import RoundToGrid

__all__ = [
    "AttentionStack",
    "ClipInputs",
    "DenseStack",
    "GafImages",
    "LaggedAttention",
    "MultiScaleAttention",
    "Offset",
    "OrderedQuantiles",
    "ResidualScale",
    "ResidualStack",
    "RoundToGrid",
]
