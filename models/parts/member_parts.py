"""How a net with members is put together: stem, what the stack reads, what its heads say."""

from typing import Any

from ultimate_deep.models.heads import Heads, heads_of_each, prediction_heads
from ultimate_deep.models.layers.members.draw_member import DrawMember, MeanOfMembers
from ultimate_deep.models.layers.members.member_answers import AddToMembers, MemberAnswers
from ultimate_deep.models.layers.members.member_stem import MemberStem
from ultimate_deep.models.parts.member_options import MemberOptions
from ultimate_deep.models.seeds import derive_seed

# What is averaged over the members of a head.
AVERAGE_OF_HEAD = {"direction": "probability", "quantiles": "value", "log_variance": "value"}


def member_stem(
    x: Any,
    options: MemberOptions,
    width: int,
    *,
    activation: str,
    l2: float,
    seed: int,
    dtype: Any,
) -> Any:
    """The stem of members: `(rows, features)` to `(rows * members, width)`."""
    return MemberStem(
        options.members,
        (*options.member_widths, width),
        feature_dropout=options.feature_dropout,
        feature_penalty=options.feature_penalty,
        activation=activation,
        l2=l2,
        seed=derive_seed(seed, "stem"),
        dtype=dtype,
        name="stem",
    )(x)


def into_stack(stem: Any, options: MemberOptions, *, seed: int) -> Any:
    """What the stack reads of the stem's `(rows * members, width)`; without members, all of it."""
    if options.members == 1:
        return stem
    if options.members_in_stack == "mean":
        return MeanOfMembers(options.members, dtype="float32", name="mean_member")(stem)
    draw = DrawMember(
        options.members,
        seed=derive_seed(seed, "drawn_member"),
        dtype="float32",
        name="drawn_member",
    )
    return draw(stem)


def heads_behind_members(
    heads: Heads, body: Any, stem: Any, options: MemberOptions, *, seed: int, l2: float
) -> Any:
    """The heads of a net that may have members; without them, those of `prediction_heads`.

    Drawn members: the same heads read stack and stem. The mean: the stem has the heads, and the
    stack heads of its own, whose answers are added to each member's.

    Args:
        heads: What to predict.
        body: What the heads read behind the stack, `(rows or rows * members, width)`.
        stem: What they read of the stem, all members, `(rows * members, width)`; not looked at
            without members.
        options: The members' options.
        seed: Seed of the kernels.
        l2: Penalty on the kernels.
    """
    if options.members == 1:
        return prediction_heads(heads, body, seed=seed, l2=l2)
    if options.members_in_stack == "mean":
        (at_stem,) = heads_of_each(heads, [stem], seed=seed, l2=l2)
        (shared,) = heads_of_each(heads, [body], seed=seed, l2=l2, prefix="stack_")
        readings = [_added(at_stem, shared, options.members), at_stem]
    elif options.exit_weight:
        readings = heads_of_each(heads, [body, stem], seed=seed, l2=l2)
    else:
        readings = heads_of_each(heads, [body], seed=seed, l2=l2)
    weights = (1.0, options.exit_weight) if options.exit_weight else (1.0,)
    return answers(
        readings[: len(weights)],
        options.members,
        weights=weights,
        drawn=options.members_in_stack == "drawn",
        seed=seed,
    )


def answers(
    readings: list[Any],
    members: int,
    *,
    weights: tuple[float, ...] = (1.0,),
    drawn: bool = False,
    seed: int,
) -> Any:
    """One answer of all members for each head, in the structure that each reading has."""
    if not isinstance(readings[0], dict):
        return _answer(readings, "direction", members, weights, drawn, seed)
    return {
        head: _answer([one[head] for one in readings], head, members, weights, drawn, seed)
        for head in readings[0]
    }


def _answer(
    readings: list[Any],
    head: str,
    members: int,
    weights: tuple[float, ...],
    drawn: bool,
    seed: int,
) -> Any:
    name = f"members_{head}"
    layer = MemberAnswers(
        members,
        average=AVERAGE_OF_HEAD[head],
        weights=weights,
        drawn=drawn,
        # One seed for all heads: they draw the same members.
        seed=derive_seed(seed, "members_answers"),
        dtype="float32",
        name=name,
    )
    return layer(readings)


def _added(at_stem: Any, shared: Any, members: int) -> Any:
    if not isinstance(at_stem, dict):
        return AddToMembers(members, dtype="float32", name="added_direction")([at_stem, shared])
    return {
        head: AddToMembers(members, dtype="float32", name=f"added_{head}")(
            [at_stem[head], shared[head]]
        )
        for head in at_stem
    }
