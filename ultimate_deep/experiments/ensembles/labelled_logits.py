"""Members' logits and the labels beside them, as combiners are fitted and judged on them."""

import numpy as np

from ultimate_deep.bundles.ensembles.combiner import EnsembleError


def labelled(logits: np.ndarray, labels: np.ndarray, horizon: int) -> tuple[np.ndarray, np.ndarray]:
    """Return one horizon's logits `(members, known)` and labels `(known,)`, bool.

    Rows whose label is NaN or one half (flat) are left out.

    Raises:
        EnsembleError: Labels of another shape or outside [0, 1], no label known, or a logit that
            is not finite.
    """
    labels = np.asarray(labels, dtype=np.float64)
    if labels.shape != logits.shape[1:]:
        raise EnsembleError(
            f"labels have the shape (rows, horizons) of the logits, {logits.shape[1:]}, got "
            f"{labels.shape}"
        )
    label = labels[:, horizon]
    if not np.isin(label[~np.isnan(label)], (0.0, 0.5, 1.0)).all():
        raise EnsembleError("labels are 0, 0.5, 1 or NaN, got others; give directions")
    known = ~np.isnan(label) & (label != 0.5)
    if not known.any():
        raise EnsembleError(f"no row of horizon {horizon + 1} has a label; bring more bars")
    chosen = logits[:, known, horizon]
    if not np.isfinite(chosen).all():
        member, row = np.argwhere(~np.isfinite(chosen))[0]
        raise EnsembleError(
            f"logits are finite where labels are known, member {member + 1} is not in known row "
            f"{row}; leave out rows that a member cannot predict"
        )
    return chosen, label[known] > 0.5
