"""Every layer of ours, imported eagerly so that `keras.models.load_model` knows them all."""

from models.layers.attention_stack import AttentionStack
from models.layers.clip_inputs import ClipInputs
from models.layers.dense_stack import DenseStack
from models.layers.episodic_index import EpisodicIndex
from models.layers.every_nth import EveryNth
from models.layers.experts import ExpertsFeedForward
from models.layers.gaf_images import GafImages
from models.layers.head_layers import OrderedQuantiles
from models.layers.horizon_attention import HorizonAttention
from models.layers.knot_interpolation import KnotInterpolation
from models.layers.lagged_attention import LaggedAttention
from models.layers.memory_cell import MemoryCell
from models.layers.multi_scale_attention import MultiScaleAttention
from models.layers.offset import Offset
from models.layers.patches import JoinChannels, Patches
from models.layers.positions import AddPositions
from models.layers.residual_scale import ResidualScale
from models.layers.residual_stack import ResidualStack
from models.layers.round_to_grid import RoundToGrid
from models.layers.sequence_attention import SequenceAttention
from models.layers.temporal_attention import TemporalAttention
from models.layers.time_pooling import TimePooling
from models.layers.weight_norm_conv import WeightNormConv

__all__ = [
    "AddPositions",
    "AttentionStack",
    "ClipInputs",
    "DenseStack",
    "EpisodicIndex",
    "EveryNth",
    "ExpertsFeedForward",
    "GafImages",
    "HorizonAttention",
    "JoinChannels",
    "KnotInterpolation",
    "LaggedAttention",
    "MemoryCell",
    "MultiScaleAttention",
    "Offset",
    "OrderedQuantiles",
    "Patches",
    "ResidualScale",
    "ResidualStack",
    "RoundToGrid",
    "SequenceAttention",
    "TemporalAttention",
    "TimePooling",
    "WeightNormConv",
]
