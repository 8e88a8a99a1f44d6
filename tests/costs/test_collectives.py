import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import lax
from jax.sharding import AxisType, NamedSharding
from jax.sharding import PartitionSpec as P

from pv_vae_jax.costs import collectives, hlo, traffic

MESH = jax.make_mesh((4, 2), ("data", "model"), axis_types=(AxisType.Auto,) * 2)


def compiled(function, *shapes, inputs, outputs):
    mapped = jax.shard_map(function, mesh=MESH, in_specs=inputs, out_specs=outputs, check_vma=False)
    arguments = [jax.ShapeDtypeStruct(shape, jnp.float32) for shape in shapes]
    return hlo.parse(jax.jit(mapped).lower(*arguments).compile().as_text())


def found(*args, **kwargs):
    return collectives.of(compiled(*args, **kwargs))


# x is [4, 8] over data: each device holds [1, 8], 32 bytes; groups of 4 devices
KINDS = {
    # kind: function, partition of the result, bytes of the operand, bytes sent
    "all-reduce": (lambda x: lax.psum(x, "data"), P(), 32, 2 * 3 / 4 * 32),
    "all-gather": (lambda x: lax.all_gather(x, "data"), P(), 32, 3 * 32),
    "reduce-scatter": (
        lambda x: lax.psum_scatter(x, "data", scatter_dimension=1, tiled=True),
        P(None, "data"), 32, 3 / 4 * 32,
    ),
    "all-to-all": (
        lambda x: lax.all_to_all(x, "data", split_axis=1, concat_axis=0, tiled=True),
        P(None, "data"), 32, 3 / 4 * 32,
    ),
}  # fmt: skip


@pytest.mark.parametrize("kind", KINDS)
def test_one_collective_is_counted_with_its_group_and_what_it_sends(kind):
    function, outputs, operand, sent = KINDS[kind]
    total = found(function, (4, 8), inputs=P("data"), outputs=outputs)
    assert total == {(kind, 4): collectives.Traffic(1, operand, sent)}


def test_a_permutation_sends_its_operand():
    ring = [(i, (i + 1) % 4) for i in range(4)]
    total = found(
        lambda x: lax.ppermute(x, "data", ring), (4, 8), inputs=P("data"), outputs=P("data")
    )
    assert total == {("collective-permute", 8): collectives.Traffic(1, 32, 32.0)}


def test_groups_over_both_axes_hold_all_devices():
    total = found(
        lambda x: lax.psum(x, ("data", "model")), (8,), inputs=P(("data", "model")), outputs=P()
    )
    assert total == {("all-reduce", 8): collectives.Traffic(1, 4, 7.0)}


def chained(x, scanned):
    def one(x, _):
        return jnp.sin(lax.psum(x, "data")), None

    if scanned:
        return lax.scan(one, x, None, length=5)[0]
    for _ in range(5):
        x, _ = one(x, None)
    return x


def test_a_collective_in_a_loop_counts_as_often_as_the_loop_runs():
    form = {"inputs": P("data"), "outputs": P("data")}
    scanned, unrolled = (
        found(functools.partial(chained, scanned=s), (4, 8), **form) for s in (True, False)
    )
    assert scanned == unrolled == {("all-reduce", 4): collectives.Traffic(5, 160, 240.0)}


def test_a_scan_over_sharded_layers_gathers_each_layer_forward_and_backward():
    over = lambda *spec: NamedSharding(MESH, P(*spec))  # noqa: E731
    ws = jax.ShapeDtypeStruct((3, 64, 64), jnp.float32, sharding=over(None, "data"))
    x = jax.ShapeDtypeStruct((16, 64), jnp.float32, sharding=over("data"))

    def loss(ws, x):
        return jnp.sum(lax.scan(lambda x, w: (jnp.tanh(x @ w), None), x, ws)[0])

    step = jax.jit(jax.grad(loss), out_shardings=over(None, "data")).lower(ws, x).compile()
    gathers = collectives.of(hlo.parse(step.as_text()))["all-gather", 4]
    assert gathers.count == 2 * 3
    assert gathers.operand == 6 * 16 * 64 * 4


def test_the_branch_that_sends_most_counts():
    def function(x):
        both = lambda x: lax.psum(lax.psum(x, "data") * 2.0 + x, "data")  # noqa: E731
        return lax.cond(jnp.sum(x) > 0, lambda x: lax.psum(x, "data"), both, x)

    total = found(function, (4, 8), inputs=P("data"), outputs=P())
    assert total["all-reduce", 4].count == 2


def test_one_device_says_nothing():
    total = collectives.of(
        hlo.parse(jax.jit(jnp.sin).lower(np.zeros(3, np.float32)).compile().as_text())
    )
    assert total == {}


ACCELERATOR = """\
HloModule step, is_scheduled=true, num_partitions=4

%add (x: f32[], y: f32[]) -> f32[] {
  %x = f32[] parameter(0)
  %y = f32[] parameter(1)
  ROOT %sum = f32[] add(%x, %y)
}

%all-reduce-scatter.1 (a: bf16[8,2]) -> bf16[2,2] {
  %a = bf16[8,2]{1,0:T(8,128)(2,1)} parameter(0)
  %all-reduce.7 = bf16[8,2]{1,0} all-reduce(%a), replica_groups={{0,1,2,3}}, to_apply=%add
  %zero = s32[] constant(0)
  ROOT %slice = bf16[2,2]{1,0} dynamic-slice(%all-reduce.7, %zero, %zero), dynamic_slice_sizes={2,2}
}

%wrapped (b: f32[4]) -> f32[4] {
  %b = f32[4]{0} parameter(0)
  ROOT %exchange = f32[4]{0} all-to-all(%b), replica_groups=[2,2]<=[4], dimensions={0}
}

%below (c: (s32[], f32[4])) -> pred[] {
  %c = (s32[], f32[4]{0}) parameter(0)
  %i = s32[]{:T(128)} get-tuple-element(%c), index=0
  %n = s32[]{:T(128)} constant(7)
  ROOT %lt = pred[] compare(%i, %n), direction=LT
}

%body (d: (s32[], f32[4])) -> (s32[], f32[4]) {
  %d = (s32[], f32[4]{0}) parameter(0)
  %j = s32[] get-tuple-element(%d), index=0
  %v = f32[4]{0} get-tuple-element(%d), index=1
  %s = ((f32[4]{0}), f32[4]{0}, u32[]) async-start(%v), calls=%wrapped
  %e = f32[4]{0} async-done(%s), calls=%wrapped
  ROOT %t = (s32[], f32[4]{0}) tuple(%j, %e)
}

ENTRY %main (p: f32[4], q: bf16[8,2]) -> f32[16] {
  %p = f32[4]{0} parameter(0)
  %q = bf16[8,2]{1,0} parameter(1)
  %f = bf16[2,2]{1,0} fusion(%q), kind=kCustom, calls=%all-reduce-scatter.1
  %start = (f32[4]{0}, f32[16]{0:S(1)}) all-gather-start(%p), replica_groups={{0,1,2,3}}
  %done = f32[16]{0} all-gather-done(%start)
  %pass = (f32[4]{0}, f32[4]{0}, u32[], u32[]) collective-permute-start(%p), \
source_target_pairs={{0,1},{1,0}}
  %passed = f32[4]{0} collective-permute-done(%pass)
  %o = s32[] constant(0)
  %u = (s32[], f32[4]{0}) tuple(%o, %p)
  %w = (s32[], f32[4]{0}) while(%u), condition=%below, body=%body
  ROOT %r = f32[16]{0} add(%done, %done)
}
"""


def test_the_forms_of_accelerators_are_counted_once():
    total = collectives.of(hlo.parse(ACCELERATOR))
    assert total == {
        ("all-gather", 4): collectives.Traffic(1, 16, 48.0),
        ("all-to-all", 2): collectives.Traffic(7, 7 * 16, 7 * 8.0),  # the condition says 7 times
        ("collective-permute", 4): collectives.Traffic(1, 16, 16.0),
        ("reduce-scatter", 4): collectives.Traffic(1, 32, 24.0),
    }
    assert collectives.sent(total) == 48 + 56 + 16 + 24


STARTED = """\
HloModule m, num_partitions=4

ENTRY %main (p.2: f32[32,4]) -> (f32[8,4], f32[8,4]) {
  %p.2 = f32[32,4]{1,0} parameter(0)
  %s = ((f32[32,4]{1,0}), f32[8,4]{1,0}) reduce-scatter-start(%p.2), replica_groups={{0,1,2,3}}, \
dimensions={0}, to_apply=%add
  %d = f32[8,4]{1,0} reduce-scatter-done(%s)
  %t = ((f32[32,4]{1,0}), f32[8,4]{1,0}) slice-start(%p.2), slice={[0:8], [0:4]}
  %u = f32[8,4]{1,0} slice-done(%t)
  ROOT %o = (f32[8,4]{1,0}, f32[8,4]{1,0}) tuple(%d, %u)
}
"""


def test_what_xla_prints_of_an_asynchronous_instruction_is_read_as_that_instruction():
    """The text of an async-start of a reduce-scatter and of a slice, as XLA prints it."""
    program = hlo.parse(STARTED)
    assert collectives.of(program) == {
        ("reduce-scatter", 4): collectives.Traffic(1, 512, 384.0)  # 3/4 of 32 x 4 float32
    }
    assert traffic.of(program) == 512 + 128 + 2 * 128


REACH = {  # replica groups of 64 devices: (in a group, of them on a host of 8)
    "replica_groups={{0,8,16,24,32,40,48,56},{1,9,17,25,33,41,49,57}}": (8, 1),
    "replica_groups=[8,8]<=[64]": (8, 8),
    "replica_groups=[8,8]<=[8,8]T(1,0)": (8, 1),
    "replica_groups=[4,16]<=[64]": (16, 8),
    "replica_groups=[4,16]<=[8,2,4]T(1,2,0)": (16, 2),
    "replica_groups=mesh['data'=8,'model'=8] {'model'}": (8, 8),
    "replica_groups=mesh['data'=8,'model'=8] {'data'}": (8, 1),
    "replica_groups=mesh['data'=8,'model'=8] {'data':(2)4}": (4, 1),
    "replica_groups=mesh['data'=8,'model'=8] {'model':(2)4}": (4, 4),
    "replica_groups=mesh['data'=8,'model'=8] {'data','model'}": (64, 8),
    "source_target_pairs={{0,1},{1,2},{9,8}}": (64, 64),
    "source_target_pairs={{0,8},{8,16}}": (64, 1),
    "source_target_pairs={{0,0},{1,1}}": (1, 64),
}


@pytest.mark.parametrize("attributes", REACH)
def test_a_group_is_on_as_many_hosts_as_its_devices_are(attributes):
    assert collectives._group(attributes, 64, [n // 8 for n in range(64)]) == REACH[attributes]


def test_devices_that_are_not_numbered_host_by_host_are_on_the_hosts_that_are_told():
    turns = [n % 8 for n in range(64)]  # runtime.mesh.slow = model
    assert collectives._group("replica_groups=[8,8]<=[64]", 64, turns) == (8, 1)
    assert collectives._group("replica_groups=[8,8]<=[8,8]T(1,0)", 64, turns) == (8, 8)
    assert collectives._group("source_target_pairs={{0,1},{1,2}}", 64, turns) == (64, 1)
    assert collectives._group("source_target_pairs={{0,8},{8,16}}", 64, turns) == (64, 64)


def test_a_ring_crosses_between_hosts_once_and_an_exchange_with_all_it_sends():
    def crossing(text, reach):
        hosts = [n // reach for n in range(8)]
        return {kind: each.crossing for (kind, _), each in collectives.of(text, hosts).items()}

    text = hlo.parse(ACCELERATOR)
    assert set(crossing(text, 4).values()) == {0.0}
    assert crossing(text, 2) == {
        "all-gather": 24.0,  # two devices on each of two hosts share 48 bytes
        "all-to-all": 0.0,  # groups of two lie within a host
        "collective-permute": 0.0,
        "reduce-scatter": 12.0,
    }
    assert crossing(text, 1)["all-to-all"] == 56.0


def test_a_loop_of_unknown_length_is_an_error_if_it_holds_a_collective():
    text = ACCELERATOR.replace("%n = s32[]{:T(128)} constant(7)", "%n = s32[] add(%i, %i)")
    with pytest.raises(ValueError, match="how often the loop w runs is not in the program"):
        collectives.of(hlo.parse(text))


def test_text_that_is_not_a_program_is_refused():
    with pytest.raises(ValueError, match="no ENTRY computation"):
        hlo.parse("module @jit_step {\n}")
