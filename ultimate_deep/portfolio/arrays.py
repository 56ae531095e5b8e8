"""Arrays as compiled code takes them."""

import numpy as np
import numpy.typing as npt

Array1D = npt.NDArray[np.float64]


def read_only(array: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Return a view that cannot be written to.

    pandas hands out such views, other arrays are writable; compiled code would be compiled once
    for each.
    """
    view = array.view()
    view.flags.writeable = False
    return view
