import hashlib

import pytest

from pv_vae_jax.data import spans


def test_neighbouring_spans_share_nothing_and_leave_nothing_out():
    for count in range(1, 60):
        for cut in (0.1, 0.5, 0.7, 0.9):
            (first, end), (then, last) = (spans.ends(count, s) for s in ((0.0, cut), (cut, 1.0)))
            assert first == 0 and end == then and last == count
    assert spans.ends(100, (0.07, 1.0)) == (7, 100)  # though 100 x 0.07 is 7.000000000000001


def test_a_digest_is_a_fraction_by_its_first_52_bits():
    digest = hashlib.sha256(b"a").hexdigest()
    assert spans.fraction(digest) == spans.fraction(digest[: spans.DIGITS])
    assert spans.fraction("8" + "0" * 63) == 0.5 and spans.fraction("f" * 64) == 1 - 2**-52


def test_a_span_is_two_fractions_in_order():
    assert spans.checked([0.0, 0.9]) == (0.0, 0.9)
    for span in ((0.5, 0.5), (-0.1, 1.0), (0.0, 1.1)):
        with pytest.raises(ValueError, match="span is two fractions, 0 <= from < to <= 1, got"):
            spans.checked(span)
