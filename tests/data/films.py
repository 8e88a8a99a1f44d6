"""Small films, good and bad, for the tests of this folder; every frame shows its number.

Frame n shows the binary digits of n as eight bars, black or white, between a red and a blue edge,
so that what was read can be told, whatever the codec lost.
"""

import fractions
import pathlib
import wave

import av
import numpy as np

from pv_vae_jax.data import video_files


def numbered(frames: int, height: int = 48, width: int = 64) -> np.ndarray:
    """uint8 [T, H, W, 3]: bars of 6 columns from column 8 on, the lowest digit first."""
    video = np.zeros((frames, height, width, 3), np.uint8)
    for bit in range(8):
        video[:, :, 8 + 6 * bit : 14 + 6 * bit] = (
            255 * (np.arange(frames) >> bit & 1).astype(np.uint8)[:, None, None, None]
        )
    video[:, :, :8] = (200, 30, 30)
    video[:, :, 56:] = (30, 30, 200)
    return video


def numbers(video: np.ndarray) -> np.ndarray:
    """The number that each frame shows."""
    bars = [video[:, 8:-8, 10 + 6 * bit : 12 + 6 * bit].mean(axis=(1, 2, 3)) for bit in range(8)]
    return sum((bar > 128).astype(int) << bit for bit, bar in enumerate(bars))


def encode(path, video, codec="libx264", pixels="yuv420p", stamps=None, **options) -> None:
    """Writes a film of 25 frames a second, or with time stamps (in ms) for each frame."""
    base = fractions.Fraction(1, 25 if stamps is None else 1000)
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=25, options=options)
        stream.height, stream.width = video.shape[1:3]
        stream.pix_fmt = pixels
        stream.codec_context.time_base = base
        for n, picture in enumerate(video):
            frame = av.VideoFrame.from_ndarray(picture, format="rgb24")
            frame.time_base = base
            frame.pts = n if stamps is None else int(stamps[n])
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))


def variable_stamps(frames: int) -> np.ndarray:
    """Time stamps whose gaps alternate between 20, 100 and 33 ms."""
    return np.cumsum([0] + [(20, 100, 33)[n % 3] for n in range(frames - 1)])


def sound(path) -> None:
    """An audio-only file."""
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(8000)
        file.writeframes(bytes(16000))


def mixed_folder(folder: pathlib.Path) -> tuple[dict[str, str], set[str]]:
    """Good and bad files; returns (bad name to a piece of its reason, good names)."""
    deeper = folder / "deeper"
    deeper.mkdir(parents=True)
    video_files.write(deeper / "good.mp4", [numbered(40)])
    encode(folder / "odd.mkv", numbered(20, 45, 63), codec="ffv1", pixels="bgr0")
    encode(folder / "grey.mkv", numbered(20), codec="ffv1", pixels="gray")
    encode(folder / "variable.mp4", numbered(30), stamps=variable_stamps(30), g="5")
    (folder / "empty.mp4").touch()
    (folder / "text.mp4").write_text("this is not a film\n" * 50)
    noise = np.random.default_rng(0).integers(0, 256, (30, 48, 64, 3), np.uint8)
    encode(folder / "whole.mp4", noise, preset="ultrafast")
    _with_index_first(folder / "whole.mp4", folder / "truncated.mp4")
    (folder / "whole.mp4").unlink()
    cut = (folder / "truncated.mp4").read_bytes()
    (folder / "truncated.mp4").write_bytes(cut[: len(cut) // 2])
    good = (deeper / "good.mp4").read_bytes()
    (folder / "no_index.mp4").write_bytes(good[: len(good) // 2])
    sound(folder / "sound.avi")
    video_files.write(folder / "short.mp4", [numbered(3)])
    bad = {
        "empty.mp4": "empty file",
        "text.mp4": "not a readable video",
        "truncated.mp4": "of 30 frames readable",
        "no_index.mp4": "not a readable video",
        "sound.avi": "no video stream",
        "short.mp4": "too short: 3 frames where 9 are needed",
    }
    return bad, {"good.mp4", "odd.mkv", "grey.mkv", "variable.mp4"}


def _with_index_first(path, copy) -> None:
    with (
        av.open(str(path)) as source,
        av.open(str(copy), "w", container_options={"movflags": "faststart"}) as target,
    ):
        stream = target.add_stream_from_template(source.streams.video[0])
        for packet in source.demux(video=0):
            if packet.dts is not None:
                packet.stream = stream
                target.mux(packet)
