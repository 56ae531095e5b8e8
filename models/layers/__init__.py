"""Every layer of ours, imported eagerly so that `keras.models.load_model` knows them all."""

from models.layers.clip_inputs import ClipInputs
from models.layers.dense_stack import DenseStack
from models.layers.multi_scale_attention import MultiScaleAttention
from models.layers.residual_scale import ResidualScale
from models.layers.residual_stack import ResidualStack

__all__ = ["ClipInputs", "DenseStack", "MultiScaleAttention", "ResidualScale", "ResidualStack"]
