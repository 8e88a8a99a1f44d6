import pytest

from pv_vae_jax.core import fields

VALUES = {"a": 0, "b": (2, 0), "c": float("nan"), "d": 1.0}


def test_values_that_may_be_pass():
    fields.at_least(VALUES, {"a": 0, "b": 0})
    fields.within(VALUES, {"a": "[0, 1)", "d": "[0, 1]"})
    fields.check(VALUES, {"a": (0, 1)})


@pytest.mark.parametrize(
    ("refuse", "told"),
    [
        (lambda: fields.at_least(VALUES, {"a": 1}, "key."), "key.a is at least 1; got 0"),
        (lambda: fields.at_least(VALUES, {"b": 1}), r"b is at least 1; got \(2, 0\)"),
        (lambda: fields.at_least(VALUES, {"c": 0}), "c is at least 0; got nan"),
        (lambda: fields.within(VALUES, {"c": "[0, 1]"}), r"c is in \[0, 1\]; got nan"),
        (lambda: fields.within(VALUES, {"d": "[0, 1)"}), r"d is in \[0, 1\); got 1.0"),
        (lambda: fields.check(VALUES, {"a": (2, 3)}, "key."), "key.a is one of 2, 3; got 0"),
    ],
)
def test_values_that_may_not_be_are_named_with_what_may(refuse, told):
    with pytest.raises(ValueError, match=told):
        refuse()
