"""Mosaics: squares of one colour each, the same bytes everywhere, different for every size of square."""

import hashlib
from itertools import combinations

import numpy as np
import pytest

from pixels.mosaics import mosaics


@pytest.mark.parametrize("channels", [1, 3, 4])
@pytest.mark.parametrize(("size", "cell"), [(32, 1), (32, 2), (32, 7), (224, 7), (5, 5), (5, 9)])
def test_each_square_has_one_colour(size: int, cell: int, channels: int) -> None:
    (picture,) = mosaics(size, channels, (cell,))
    assert picture.shape == (size, size, channels) and picture.dtype == np.uint8
    corners = picture[::cell, ::cell]
    assert np.array_equal(corners.repeat(cell, 0).repeat(cell, 1)[:size, :size], picture)
    squares = corners.reshape(-1, channels)
    assert len(squares) == 1 or len(np.unique(squares, axis=0)) > 1


def test_no_two_mosaics_are_alike() -> None:
    drawn = mosaics(32, 3, range(1, 17))
    assert len(drawn) == 16
    assert not any(np.array_equal(one, other) for one, other in combinations(drawn, 2))


def test_the_pixels_never_change() -> None:
    """Golden files and the int8 records of untrained nets depend on them."""
    digest = hashlib.sha256(mosaics(32, 3, (1, 2, 4, 7)).tobytes()).hexdigest()
    assert digest == "55310ebf1f6b10f5fd03abc85e32861a3fc635bb0614da7714a783983797c7e2"


@pytest.mark.parametrize("cell", [-1, 0, 256])
def test_squares_of_no_size_are_refused(cell: int) -> None:
    with pytest.raises(ValueError, match=f"sides of 1 to 255 pixels, not {cell}"):
        mosaics(32, 3, (2, cell))
