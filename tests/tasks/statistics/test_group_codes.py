"""Dense codes are those of numpy's sorting `unique`, however the numbers lie."""

from __future__ import annotations

import numpy as np
import pytest

from tasks.statistics.group_codes import groups


@pytest.mark.parametrize(
    "numbers",
    [[], [7], [2880, 2881, 2880, 2890], [-3, 5, -3, 0], [0, 10**15, 0, -(10**15)]],
    ids=["none", "one", "weeks", "negative", "far apart"],
)
def test_codes_numbers_and_rows_are_those_of_unique(numbers: list[int]) -> None:
    given = np.array(numbers, dtype=np.int64)
    found = groups(given)
    distinct, codes, rows = np.unique(given, return_inverse=True, return_counts=True)
    np.testing.assert_array_equal(found.numbers, distinct)
    np.testing.assert_array_equal(found.codes, codes)
    np.testing.assert_array_equal(found.rows, rows)
