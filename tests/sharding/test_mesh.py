"""How devices become a mesh, and which rows a process reads."""

import types

import jax
import numpy as np
import pytest

from pv_vae_jax.sharding import mesh as meshes


def device(number, process=0, **more):
    fields = {"platform": "cpu", "device_kind": "cpu"} | more
    return types.SimpleNamespace(id=number, process_index=process, **fields)


def ids(array):
    return np.vectorize(lambda d: d.id)(array).tolist()


def test_a_size_that_is_left_out_is_what_the_other_leaves():
    assert meshes.sizes(8) == (8, 1)
    assert meshes.sizes(8, model=4) == (2, 4)
    assert meshes.sizes(8, data=4, model=0) == (4, 2)
    mesh = meshes.make_mesh(model=2)
    assert dict(mesh.shape) == {"data": 4, "model": 2} and mesh.axis_names == meshes.AXES
    assert set(mesh.axis_types) == {jax.sharding.AxisType.Auto}
    assert meshes.make_mesh(devices=jax.devices()[:1]).size == 1


def test_sizes_that_do_not_fill_the_devices_are_refused_with_the_numbers():
    with pytest.raises(ValueError, match=r"data = 0, .*model = 3 .* 8 devices: .* 1, 2, 4, 8"):
        meshes.sizes(8, model=3)
    with pytest.raises(ValueError, match=r"data = 2, .*model = 2 do not fill 8 devices"):
        meshes.sizes(8, data=2, model=2)
    for wrong in ((0, 0), (-1, 1)):
        with pytest.raises(ValueError, match="at least 1 device"):
            meshes.sizes(8, *wrong)


def test_one_host_is_laid_out_in_the_order_of_its_devices():
    assert ids(meshes.arrange([device(i) for i in (3, 1, 2, 0)], model=2)) == [[0, 1], [2, 3]]


def test_the_named_axis_crosses_the_hosts():
    # two hosts of two devices: 0, 1 and 2, 3
    hosts = [device(i, i // 2) for i in range(4)]
    assert ids(meshes.arrange(hosts, model=2)) == [[0, 1], [2, 3]]
    assert ids(meshes.arrange(hosts, model=2, slow="model")) == [[0, 2], [1, 3]]
    assert ids(meshes.arrange(hosts)) == [[0], [1], [2], [3]]


def test_the_named_axis_crosses_the_slices_of_a_tpu_whatever_its_hosts():
    def chip(number):
        place, slice_ = number % 4, number // 4
        coords = (place % 2, place // 2, 0)
        more = {"platform": "tpu", "device_kind": "TPU v4", "coords": coords, "core_on_chip": 0}
        return device(number, number // 2, slice_index=slice_, **more)

    chips = [chip(i) for i in range(8)]
    found = np.array(ids(meshes.arrange(chips, model=2)))
    assert (found[:2] < 4).all() and (found[2:] >= 4).all()  # data crosses, model stays inside
    crossing = np.array(ids(meshes.arrange(chips, model=2, slow="model")))
    assert (crossing[:, 0] < 4).all() and (crossing[:, 1] >= 4).all()
    single = [chip(i) for i in range(4)]  # one slice, two hosts: no slow network
    assert sorted(np.ravel(ids(meshes.arrange(single, model=4)))) == [0, 1, 2, 3]


def test_an_axis_that_cannot_cross_the_hosts_is_refused_with_the_numbers():
    hosts = [device(i, i // 2) for i in range(4)]
    with pytest.raises(ValueError, match="data .* has 1 parts, .* over 2 hosts of 2 devices"):
        meshes.arrange(hosts, model=4)
    with pytest.raises(ValueError, match="slow is one of data, model; got 'depth'"):
        meshes.arrange(hosts, slow="depth")


def test_processes_that_hold_the_same_rows_read_the_same_part():
    def parts(rows):
        """One row of the mesh for each tuple of processes."""
        devices = np.array([[device(0, process) for process in row] for row in rows])
        mesh = types.SimpleNamespace(
            devices=devices, shape={"data": len(rows), "model": len(rows[0])}
        )
        return [meshes.data_part(mesh, process) for process in sorted({*sum(rows, ())})]

    assert parts([(0,), (0,), (1,), (1,)]) == [(0, 2), (1, 2)]
    assert parts([(0, 1), (0, 1)]) == [(0, 1), (0, 1)]
    assert parts([(0, 1), (2, 3)]) == [(0, 2), (0, 2), (1, 2), (1, 2)]
    assert parts([(1,), (0,), (1,), (0,)]) == [(1, 2), (0, 2)]
    with pytest.raises(ValueError, match="data 3 x model 2 gives 3 processes overlapping rows"):
        parts([(0, 0), (0, 1), (1, 2)])


def test_what_is_put_in_parts_comes_back_whole():
    mesh = meshes.make_mesh(model=2)
    tree = {"a": np.arange(8.0), "b": np.ones(())}
    shardings = {"a": meshes.over_data(mesh), "b": meshes.replicated(mesh)}
    there = meshes.put(shardings, tree)
    assert there["a"].addressable_shards[0].data.shape == (2,)
    jax.tree.map(np.testing.assert_array_equal, meshes.to_host(there), tree)
