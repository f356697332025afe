"""Fixed-point multiplication: how a sum of products becomes an int8 number without floating point.

A factor is a 32-bit multiplier and a power of two. The product is rounded twice, first to 32 bits and then to an
integer, as gemmlowp does it (Jacob et al., arXiv 1712.05877). The reference kernels of LiteRT and of TensorFlow Lite
Micro compute this; builds with TFLITE_SINGLE_ROUNDING, and LiteRT's faster kernels, differ by one step at times.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

INT32_MAX = 2**31 - 1


@dataclass(frozen=True)
class Factor:
    """The number multiplier × 2 ** (shift - 31).

    Args:
        multiplier: from 2 ** 30 to 2 ** 31 - 1, or 0.
        shift: the power of two.
    """

    multiplier: int
    shift: int

    @classmethod
    def of(cls, value: float) -> Factor:
        """Return the factor that is nearest to a number, which is above zero.

        Example:
            >>> Factor.of(0.25)
            Factor(multiplier=1073741824, shift=-1)
        """
        fraction, shift = math.frexp(value)
        multiplier = math.floor(math.ldexp(fraction, 31) + 0.5)
        if multiplier == 2**31:
            multiplier, shift = 2**30, shift + 1
        return cls(multiplier, shift) if shift >= -31 else cls(0, 0)

    def over(self, count: int) -> Factor:
        """Return this factor divided by a count, as the kernels of MEAN divide it: the multiplier loses bits.

        Example:
            >>> Factor.of(0.5).over(64)
            Factor(multiplier=1073741824, shift=-6)
        """
        gained = min(count.bit_length() - 1, 32, 31 + self.shift)
        return Factor((self.multiplier << gained) // count, self.shift - gained)


def multiply(sums: NDArray[np.int64], multiplier: NDArray[np.int64], shift: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return sums times factors, rounded twice.

    Args:
        sums: int64 within the range of int32, also when they are shifted to the left.
        multiplier: int64, of a shape that broadcasts.
        shift: int64, of a shape that broadcasts.

    Example:
        >>> multiply(np.int64([100, -100]), np.int64(1 << 30), np.int64(-1))
        array([ 25, -25])
    """
    product = (sums << np.maximum(shift, 0)) * multiplier
    high = (product + (1 << 30)) >> 31  # to the nearest, halves upwards
    right = np.maximum(-shift, 0)
    mask = (np.int64(1) << right) - 1
    # To the nearest again, halves away from zero.
    return np.asarray((high >> right) + ((high & mask) > (mask >> 1) + (high < 0)))
