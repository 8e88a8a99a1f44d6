"""Inputs of the golden values of I3D and C3D, re-made wherever they are needed; NumPy alone."""

import numpy as np

# Of I3D: frames, rows, columns; 17 frames leave three to average, in pairs.
CLIPS = {"square": (9, 224, 224), "wide": (17, 120, 320)}
# A small C3D: widths of conv1, conv2, ...; of fc6 and fc7; classes.
NAMES = ("conv1", "conv2", "conv3a", "conv3b", "conv4a", "conv4b", "conv5a", "conv5b")
WIDTHS, FULL, CLASSES = (4, 4, 6, 6, 8, 8, 6, 6), 20, 7
C3D_CLIP = (17, 60, 100)


def clip(frames, height, width):
    """Waves that move over each other, uint8 ``[1, T, H, W, 3]``."""
    t, y, x, c = np.ogrid[:frames, :height, :width, :3]
    waves = np.sin(0.07 * x + 0.11 * y - 0.5 * t + c) + np.cos(0.03 * x * (1 + c) + 0.2 * t)
    ridge = np.sign(np.sin(0.05 * (x - y) + 0.3 * t))
    return np.rint(127.5 + 50 * waves + 20 * ridge).clip(0, 255).astype(np.uint8)[None]


def small_c3d():
    """Random tensors under PyTorch's names."""
    random, state, channels = np.random.default_rng(8), {}, 3
    for name, width in zip(NAMES, WIDTHS, strict=True):
        scale = np.sqrt(2 / (27 * channels)) / (50 if name == "conv1" else 1)
        state[f"{name}.weight"] = scale * random.standard_normal((width, channels, 3, 3, 3))
        state[f"{name}.bias"] = 0.1 * random.standard_normal(width)
        channels = width
    sizes = (16 * channels, FULL, FULL, CLASSES)
    for name, before, after in zip(("fc6", "fc7", "fc8"), sizes[:-1], sizes[1:], strict=True):
        state[f"{name}.weight"] = random.standard_normal((after, before)) * np.sqrt(2 / before)
        state[f"{name}.bias"] = 0.1 * random.standard_normal(after)
    return {name: value.astype(np.float32) for name, value in state.items()}


def mean_clip():
    """In the form of TGAN's mean2.npz: ``[3, 16, 128, 171]``, BGR."""
    c, t, y, x = np.ogrid[:3, :16, :128, :171]
    return (90 + 5 * c + t + 0.1 * y + 0.05 * x).astype(np.float32)


def scripted_state():
    """The tensors of the module in torch_script.pt."""
    sizes = {
        "conv3d_1a.conv3d.weight": (3, 2, 1, 2, 2),
        "conv3d_1a.batch3d.weight": (3,),
        "conv3d_1a.batch3d.bias": (3,),
        "conv3d_1a.batch3d.running_mean": (3,),
        "conv3d_1a.batch3d.running_var": (3,),
        "mixed.branch_1.0.conv3d.weight": (4, 3, 1, 1, 1),
        "mixed.branch_1.1.conv3d.weight": (2, 4, 1, 1, 1),
        "mixed.branch_1.1.conv3d.bias": (2,),
    }
    state, first = {}, 0
    for name, size in sizes.items():
        count = int(np.prod(size))
        state[name] = np.arange(first, first + count, dtype=np.float32).reshape(size)
        first += count
    state["conv3d_1a.batch3d.num_batches_tracked"] = np.array(5)
    return state
