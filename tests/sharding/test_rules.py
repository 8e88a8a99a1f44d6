"""Which leaf lies where: rules on paths, FSDP, and what follows a parameter."""

import jax
import numpy as np
import pytest

from pv_vae_jax.core import trees
from pv_vae_jax.models import discriminators
from pv_vae_jax.sharding import mesh as meshes
from pv_vae_jax.sharding import rules, table
from pv_vae_jax.training import adversary as adversaries
from pv_vae_jax.training import state as states
from pv_vae_jax.training.optimizers import Optimizer
from pv_vae_jax.training.stages import Adversarial, Stage, StageData
from pv_vae_jax.withholding import Withholding
from tests import tiny

MESH = meshes.make_mesh(model=4)
STAGE = Stage(
    name="decoder",
    steps=10,
    data=StageData(5, ((16, 16, 8, 1),)),
    withholding=Withholding(way="mask"),
    weights={"mse": 1.0, "gan": 1.0},
    trainable="^decoder/",
    optimizer=Optimizer(),
    adversarial=Adversarial(),
)


@pytest.fixture(scope="module")
def state():
    """Shapes of the train state of a decoder stage with a GAN."""
    discriminator = discriminators.build("both", (8, 16), "spectral")

    def start():
        clip = np.zeros((1, 5, 16, 16, 3), np.float32)
        params = tiny.module().init(jax.random.key(0), clip)["params"]
        variables = discriminator.init(jax.random.key(1), clip)
        adversary = adversaries.start(variables, 2, STAGE)
        return states.start(params, np.zeros(4), np.ones(4), STAGE, adversary)

    return jax.eval_shape(start)


def specs(tree):
    return {path: tuple(leaf.spec) for path, leaf in trees.flatten(tree).items()}


def shapes(**leaves):
    return {name: jax.ShapeDtypeStruct(shape, np.float32) for name, shape in leaves.items()}


def test_a_pair_of_layers_is_column_then_row_parallel(state):
    found = specs(rules.shardings(MESH, state)[0].params)
    block = "decoder/mid/block_0"
    assert found[f"{block}/conv_0/kernel"] == (None, None, None, None, "model")
    assert found[f"{block}/conv_0/bias"] == found[f"{block}/norm_1/scale"] == ("model",)
    assert found[f"{block}/conv_1/kernel"] == (None, None, None, "model", None)
    assert found[f"{block}/conv_1/bias"] == found[f"{block}/norm_0/scale"] == ()
    attention = "encoder/mid/attention"
    for name in ("query", "key", "value"):
        assert found[f"{attention}/{name}/kernel"][-1] == "model"
    assert found[f"{attention}/out/kernel"][-2:] == ("model", None)
    assert found["decoder/up_0/conv/kernel"][-1] == found["encoder/down_1/conv/bias"][0] == "model"
    assert found["decoder/conv_out/kernel"] == found["padding/token"] == ()


def test_ema_slots_and_discriminator_follow_the_parameters(state):
    for fsdp in (False, True):
        placed, _ = rules.shardings(MESH, state, fsdp=fsdp, least=1)
        params, moments = specs(placed.params), specs(placed.slots[1].mu)
        assert specs(placed.ema) == moments == specs(placed.slots[1].nu)
        assert moments and all(params[path] == spec for path, spec in moments.items())
        adversary = placed.adversary
        assert specs(adversary.params) == specs(adversary.slots[1].mu)
        assert tuple(placed.step.spec) == tuple(adversary.averages.real.spec) == ()
    assert params["decoder/up_0/conv/kernel"][-2:] == ("data", "model")
    plain = specs(rules.shardings(MESH, state)[0].adversary.params)
    for kind in ("frame", "clip"):
        assert plain[f"{kind}/conv_0/kernel"][-1] == "model"
        assert plain[f"{kind}/conv_1/kernel"][-2:] == ("model", None)
        assert plain[f"{kind}/logits/kernel"] == ()


def test_a_factored_slot_stays_whole():
    tree = {"w": jax.ShapeDtypeStruct((8, 4), np.float32)}
    rows = {"w": jax.ShapeDtypeStruct((8,), np.float32)}
    placed, _ = rules.shardings(MESH, (tree, rows), [("w", ("model",))])
    assert specs(placed[0]) == {"w": (None, "model")} and specs(placed[1]) == {"w": ()}


def test_fsdp_takes_the_largest_axis_that_divides_and_is_free():
    mesh = meshes.make_mesh()  # data 8
    tree = shapes(square=(3, 16, 16), wide=(3, 8, 24), odd=(3, 9, 16), small=(8,), none=(63, 9))
    placed, undivided = rules.shardings(mesh, tree, fsdp=True, least=100)
    found = specs(placed)
    assert found["square"] == (None, "data", None)  # of equals the first
    assert found["wide"] == found["odd"] == (None, None, "data")
    assert found["small"] == () and found["none"] == ()
    assert undivided == ["none"]
    taken, _ = rules.shardings(MESH, shapes(w=(8, 16)), [("w", ("model",))], fsdp=True, least=1)
    assert specs(taken) == {"w": ("data", "model")}
    assert specs(rules.shardings(mesh, tree)[0]) == dict.fromkeys(tree, ())
    one = meshes.make_mesh(devices=jax.devices()[:1])
    assert rules.shardings(one, tree, fsdp=True, least=1)[1] == []


def test_a_rule_without_effect_is_an_error_with_the_numbers():
    tree = shapes(a=(8, 8), b=(8,))
    with pytest.raises(ValueError, match=r"'query' has no effect: of 2 parameters \(a, b\) it mat"):
        rules.shardings(MESH, tree, [("query", ("model",))])
    with pytest.raises(ValueError, match="'a' has no effect: .* earlier rules decide its 1"):
        rules.shardings(MESH, tree, [(".", ("model",)), ("a", (None,))])
    with pytest.raises(ValueError, match=r"'block_\(' is wrong: missing \), unterminated"):
        rules.shardings(MESH, tree, [("block_(", ("model",))])
    # a rule of the discriminator is for the stages that have one
    rules.shardings(MESH, tree, [("a", ("model",)), ("^discriminator/", ("model",))])
    with pytest.raises(ValueError, match="model is 4, but no default rule knows"):
        rules.shardings(MESH, tree)


def test_a_size_that_does_not_divide_is_an_error_with_the_numbers():
    with pytest.raises(
        ValueError, match=r"axis 1 of w, of size 6 \(.*8x6\), over model = 4 devices"
    ):
        rules.shardings(MESH, shapes(w=(8, 6)), [("w", ("model",))])
    with pytest.raises(ValueError, match="names 3 axes, but w has 2"):
        rules.shardings(MESH, shapes(w=(8, 8)), [("w", ("model", None, None))])
    for wrong in (("depth",), ("model", "model")):
        with pytest.raises(ValueError, match="each of data, model may stand once"):
            rules.shardings(MESH, shapes(w=(8, 8)), [("w", wrong)])


def test_the_table_has_the_bytes_of_each_device():
    tree = shapes(a=(8, 16), b=(3,)) | {"c": jax.ShapeDtypeStruct((4, 4), jax.numpy.bfloat16)}
    placed, _ = rules.shardings(MESH, tree, [("a", ("model",))], fsdp=True, least=100)
    found = {row.path: row for row in table.rows(tree, placed)}
    # a: 8 x 16 x 4 bytes, over data 2 and model 4; b and c are too small for FSDP
    assert (found["a"].whole, found["a"].on_device, found["a"].partition) == (512, 64, "data,model")
    assert (found["b"].whole, found["b"].on_device, found["b"].partition) == (12, 12, "whole")
    assert (found["c"].on_device, found["c"].dtype) == (32, "bfloat16")
    sums = table.totals(list(found.values()))
    assert sums == {"parameters": (556, 108), "all": (556, 108)}


def test_the_totals_of_a_state_are_those_of_its_parts(state):
    placed, _ = rules.shardings(MESH, state, fsdp=True, least=1)
    rows = table.rows(state, placed)
    sums = table.totals(rows)
    count = trees.count(state.params)
    assert sums["parameters"][0] == 4 * count
    assert sums["EMA"][0] == 4 * trees.count(state.params["decoder"])
    assert sums["slots"][0] == 2 * sums["EMA"][0] + 4  # two moments and a count
    discriminator = 4 * (3 * trees.count(state.adversary.params) + 1)
    discriminator += 4 * sum(leaf.size for leaf in jax.tree.leaves(state.adversary.stats))
    assert sums["discriminator"][0] == discriminator + 4 * (2 + 2 + 1)  # averages and a counter
    assert sums["counters"] == (4 * (3 + 8), 4 * (3 + 8))
    assert sums["all"] == tuple(
        sum(pair[i] for role, pair in sums.items() if role != "all") for i in (0, 1)
    )
    (kernel,) = (row for row in rows if row.path == "params/decoder/up_0/conv/kernel")
    assert kernel.on_device == 4 * 27 * (8 // 2) * (8 // 4)
    text = table.text(rows)
    assert len(text.splitlines()) == 1 + len(jax.tree.leaves(state)) + 1 + len(sums)
    assert "params/decoder/up_0/conv/kernel" in table.short(rows)
