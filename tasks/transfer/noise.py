"""Noise, behind an interface so that a test can be told what it will be."""

from __future__ import annotations

from functools import cache
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

Integers = NDArray[np.int64]


class Noise(Protocol):
    """Adds independent noise of standard deviation `scale` to each integer."""

    def __call__(self, sums: Integers, scale: float) -> Integers:
        """Noisy sums of the same shape."""
        ...


class DiscreteGaussian:
    """OpenDP's discrete Gaussian: exact sampling from the system's secure source of randomness, no seed."""

    def __call__(self, sums: Integers, scale: float) -> Integers:
        """Noisy sums of the same shape."""
        measurement = _measurement(scale)
        return np.array(measurement(sums.ravel().tolist()), dtype=np.int64).reshape(sums.shape)

    @staticmethod
    def rho(scale: float, sensitivity: float) -> float:
        """What OpenDP itself charges, in zCDP, for sums of this L2 sensitivity."""
        return float(_measurement(scale).map(sensitivity))


@cache
def _measurement(scale: float) -> Any:
    # Not opendp.prelude: it brings pandas and scikit-learn along, which takes several times as long as a release.
    from opendp.domains import atom_domain, vector_domain
    from opendp.measurements import make_gaussian
    from opendp.metrics import l2_distance
    from opendp.mod import enable_features

    enable_features("contrib")
    # Integers, because OpenDP has to charge float sums twice their sensitivity.
    return make_gaussian(vector_domain(atom_domain(T="i64")), l2_distance(T="f64"), scale=scale)
