"""A span: the part of its data that a source uses, two fractions a < b.

    of n frames or examples, in order    those from ceil(a n) to ceil(b n), without the last   (1)
    of files, by their content           those with a <= f < b, f = 52 bits of its sha256      (2)

So (0, 0.9) and (0.9, 1) share nothing and leave nothing out.
"""

import math

DIGITS = 13  # hexadecimal digits of 52 bits, which a float holds exactly

Span = tuple[float, float]


def checked(span: Span) -> Span:
    """The span as a tuple.

    Raises:
      ValueError: it is not 0 <= from < to <= 1.
    """
    if not 0.0 <= span[0] < span[1] <= 1.0:
        raise ValueError(f"span is two fractions, 0 <= from < to <= 1, got {tuple(span)}.")
    return tuple(span)


def ends(count: int, span: Span) -> tuple[int, int]:
    """The first of ``count`` that is in a span, and the one after the last, equation (1)."""
    first, end = (math.ceil(count * part - 1e-9) for part in span)
    return first, end


def fraction(digest: str) -> float:
    """The first 52 bits of a hexadecimal digest as a fraction in [0, 1), equation (2)."""
    return int(digest[:DIGITS], 16) / 16**DIGITS
