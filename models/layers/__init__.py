"""Every layer of ours, imported eagerly so that `keras.models.load_model` knows them all."""

from ultimate_deep.models.layers.attention.horizon_attention import HorizonAttention
from ultimate_deep.models.layers.attention.lagged_attention import LaggedAttention
from ultimate_deep.models.layers.attention.multi_scale_attention import MultiScaleAttention
from ultimate_deep.models.layers.attention.positions import AddPositions
from ultimate_deep.models.layers.attention.sequence_attention import SequenceAttention
from ultimate_deep.models.layers.attention.temporal_attention import TemporalAttention
from ultimate_deep.models.layers.bar_images import BarImages
from ultimate_deep.models.layers.clip_inputs import ClipInputs
from ultimate_deep.models.layers.drop_path import DropPath
from ultimate_deep.models.layers.episodic_index import EpisodicIndex
from ultimate_deep.models.layers.every_nth import EveryNth
from ultimate_deep.models.layers.experts import ExpertsFeedForward
from ultimate_deep.models.layers.gaf_images import GafImages
from ultimate_deep.models.layers.head_layers import OrderedQuantiles
from ultimate_deep.models.layers.knot_interpolation import KnotInterpolation
from ultimate_deep.models.layers.markov_images import MarkovImages
from ultimate_deep.models.layers.members.draw_member import DrawMember, MeanOfMembers
from ultimate_deep.models.layers.members.member_answers import AddToMembers, MemberAnswers
from ultimate_deep.models.layers.members.member_stem import MemberStem
from ultimate_deep.models.layers.memory_cell import MemoryCell
from ultimate_deep.models.layers.patches import JoinChannels, Patches
from ultimate_deep.models.layers.recurrence_images import RecurrenceImages
from ultimate_deep.models.layers.stacks.attention_stack import AttentionStack
from ultimate_deep.models.layers.stacks.dense_stack import DenseStack
from ultimate_deep.models.layers.stacks.offset import Offset
from ultimate_deep.models.layers.stacks.residual_scale import ResidualScale
from ultimate_deep.models.layers.stacks.residual_stack import ResidualStack
from ultimate_deep.models.layers.stacks.round_to_grid import RoundToGrid
from ultimate_deep.models.layers.time_pooling import TimePooling
from ultimate_deep.models.layers.weight_norm_conv import WeightNormConv

__all__ = [
    "AddPositions",
    "AddToMembers",
    "AttentionStack",
    "BarImages",
    "ClipInputs",
    "DenseStack",
    "DrawMember",
    "DropPath",
    "EpisodicIndex",
    "EveryNth",
    "ExpertsFeedForward",
    "GafImages",
    "HorizonAttention",
    "JoinChannels",
    "KnotInterpolation",
    "LaggedAttention",
    "MarkovImages",
    "MeanOfMembers",
    "MemberAnswers",
    "MemberStem",
    "MemoryCell",
    "MultiScaleAttention",
    "Offset",
    "OrderedQuantiles",
    "Patches",
    "RecurrenceImages",
    "ResidualScale",
    "ResidualStack",
    "RoundToGrid",
    "SequenceAttention",
    "TemporalAttention",
    "TimePooling",
    "WeightNormConv",
]
