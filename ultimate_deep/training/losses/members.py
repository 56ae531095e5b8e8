"""A loss of nets that answer several times for each row: one answer of each member."""

from typing import Any

from keras import ops

from ultimate_deep.training.losses.loss import Loss, Tensors


def members_elements(loss: Loss, targets: Tensors, outputs: Tensors) -> Any:
    """Return the mean loss of each label's members, `(batch, horizons)`.

    Each member is held to the label by itself: the mean of losses, not the loss of a mean.

    Args:
        loss: Loss of single labels.
        targets: What it compares with, by name, each `(batch, horizons)`.
        outputs: Heads by name, each `(batch * members, ...)`, the members of a row one after
            another; the number of members follows from the shapes.

    Raises:
        ValueError: Answers that are not as many for each row.
    """
    rows, horizons = next(iter(targets.values())).shape
    answered = next(iter(outputs.values())).shape[0]
    members, left = divmod(answered, rows)
    if left or not members:
        raise ValueError(
            f"each of {rows} rows must have as many answers, got {answered} in all; give the "
            "members of a row one after another"
        )
    if members == 1:
        return loss.elements(targets, outputs)
    repeated = {name: ops.repeat(values, members, axis=0) for name, values in targets.items()}
    elements = loss.elements(repeated, outputs)
    return ops.mean(ops.reshape(elements, (rows, members, horizons)), axis=1)
