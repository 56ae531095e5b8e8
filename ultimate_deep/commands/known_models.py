"""Every model by name with what it declares: nets and trees from their files, without Keras."""

from __future__ import annotations

import difflib
import inspect
from typing import TYPE_CHECKING

from ultimate_deep.models.declared import Declared, declared, options_of
from ultimate_deep.models.registry import BUILDERS
from ultimate_deep.models.trees.registry import TREES

if TYPE_CHECKING:
    from ultimate_deep.experiments.learners.learner import Learner

# The families whose models have a file each.
IN_FILES = ("nets", "trees")


def model_declared(name: str) -> Declared:
    """Return what a model declares; the file of a net or of trees is not run for it.

    Raises:
        ValueError: No model has this name.
    """
    if name in BUILDERS or name in TREES:
        return declared((BUILDERS | TREES)[name])
    others = _others()
    if name in others:
        return _declared_by(others[name])
    names = [*BUILDERS, *TREES, *others]
    near = difflib.get_close_matches(name, names, 1)
    meant = f"did you mean {near[0]}? models" if near else "models"
    raise ValueError(f"no model is called {name!r}; {meant} are {', '.join(sorted(names))}")


def all_declared() -> dict[str, Declared]:
    """Return what every model declares, by name."""
    found = {name: declared(target) for name, target in (BUILDERS | TREES).items()}
    found |= {name: _declared_by(learner) for name, learner in _others().items()}
    return dict(sorted(found.items()))


def _others() -> dict[str, Learner]:
    """Return the models of further families by name; Keras is loaded where there are some."""
    from ultimate_deep.experiments.learners.registry import LEARNERS, learner_class

    further = [learner_class(kind) for kind in LEARNERS if kind not in IN_FILES]
    return {name: family(name) for family in further for name in family.names()}


def _declared_by(learner: Learner) -> Declared:
    """Return what a learner says of its model."""
    presets = learner.presets()
    return Declared(
        summary=(inspect.getdoc(type(learner)) or "").partition("\n")[0],
        reads=learner.inputs_kind,
        sees=(learner.finds,),
        presets=presets,
        options=options_of(learner.preset_config(presets[0])),
    )
