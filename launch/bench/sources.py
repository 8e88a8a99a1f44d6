"""Clips per second and core of each source and form of record, and what hosts of accelerators need.

    share = seconds of a loop that decodes the same frames of the same bytes / seconds of the clips
    clips per second of a host = chips * peak * MFU / FLOP of a clip and step                    (2)

One film of photographs in motion is written, prepared as H.264 and as JPEG records, and read in
each form, with the same draws, in one process and one thread; the loop seeks and decodes to
RGB and does nothing else.  Forms alternate, so that other load touches all alike.
Equation (2) is of the 661M model: 51.2 model TFLOP for a clip of 17x256x256 (predictive stage,
launch.compile --count), MFU 40% assumed, peaks of bfloat16: v5e 197, H100 989 TFLOP/s.
Run as `python -m launch.bench sources`.
"""

import argparse
import functools
import pathlib
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence

import av
import cv2
import numpy as np
import PIL.Image

from launch import door
from pv_vae_jax.data import clips, images, rendered, shards, sources, video_files
from pv_vae_jax.data.prepare import items, pieces, run

TFLOP, MFU = 51.2, 0.4
HOSTS = {"v5e host (8 chips)": (8, 197.0), "H100 host (8 GPUs)": (8, 989.0)}
CODECS = ("h264", "jpeg")


def needed(chips: int, peak: float) -> float:
    """Clips per second of a host, equation (2); ``peak`` in TFLOP/s of one chip."""
    return chips * peak * MFU / TFLOP


def bare_file(source: sources.VideoFiles, j: int, draw: clips.Draw, frames: int) -> Callable:
    """What decodes the frames of a clip of a file, and nothing else."""
    entry, numbers = source.frame_numbers(j, draw, frames)
    stamps = entry.pts(numbers)

    def decode() -> None:
        with av.open(entry.path) as container:
            stream = container.streams.video[0]
            stream.codec_context.thread_count = 1
            container.seek(stamps[0], stream=stream, backward=True)
            for frame in container.decode(stream):
                if frame.pts in stamps:
                    frame.to_ndarray(format="rgb24")
                if frame.pts >= stamps[-1]:
                    return

    return decode


def bare_record(source: shards.Shards, j: int, draw: clips.Draw, frames: int) -> Callable:
    """What decodes the frames of a clip of a record that is in memory, and nothing else."""
    number, numbers = source.frame_numbers(j, draw, frames)
    record = source.record(number)
    firsts = [first for first, _ in record.starts]
    bounds = [byte for _, byte in record.starts] + [len(record.payload)]
    if record.codec == "jpeg":
        coded = [np.frombuffer(record.payload[bounds[n] : bounds[n + 1]], "u1") for n in numbers]

        def decode() -> None:
            for picture in coded:
                cv2.cvtColor(cv2.imdecode(picture, cv2.IMREAD_COLOR), cv2.COLOR_BGR2RGB)

        return decode
    unit, last = (int(n) - 1 for n in np.searchsorted(firsts, numbers[[0, -1]], side="right"))
    stream = record.payload[bounds[unit] : bounds[last + 1]]
    inside = set((numbers - firsts[unit]).tolist())

    def decode() -> None:
        context = av.CodecContext.create("h264", "r")
        context.thread_count = 1
        found = 0
        packets = [*context.parse(stream), *context.parse(None), None]
        decoded = (frame for packet in packets for frame in context.decode(packet))
        for number, frame in enumerate(decoded):
            if number in inside:
                frame.to_ndarray(format="rgb24")
                found += 1
            if found == len(inside):
                return

    return decode


def bare_still(source: images.ImageFiles, j: int, draw: clips.Draw, frames: int) -> Callable:
    """What decodes a picture as Pillow does at full size, and nothing else."""
    path = source.clip(j, draw, frames, 8, 8).name

    def decode() -> None:
        with PIL.Image.open(path) as image:
            np.asarray(image.convert("RGB"))

    return decode


def made(folder: pathlib.Path, options: argparse.Namespace) -> Iterator[tuple[str, object, object]]:
    """The forms: name, source, what makes the bare loop of a clip (None: there is none)."""
    height, width = options.source
    films = folder / "films"
    for seed in range(options.films):
        scene = rendered.render(seed, options.length, height, width)
        video_files.write(films / f"{seed}.mp4", [scene], rate=24)
        (folder / "stills").mkdir(exist_ok=True)
        PIL.Image.fromarray(scene[0]).save(folder / "stills" / f"{seed}.jpg", quality=95)
    yield "video files", sources.VideoFiles(films, progress=False), bare_file
    for codec in CODECS:
        rules = pieces.Rules(
            codec=codec, held_out=0.0, side=options.side, shortest=min(17, options.length)
        )
        run.prepare(items.of(films)[0], folder / codec, rules, 1, False)
        yield f"records, {codec}", shards.Shards(folder / codec), bare_record
    yield "stills", images.ImageFiles(folder / "stills", progress=False), bare_still
    yield "rendered", sources.Rendered(), None


def _seconds(calls: Sequence[Callable[[], object]]) -> float:
    began = time.process_time()
    for call in calls:
        call()
    return time.process_time() - began


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m launch.bench sources", description=__doc__)
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument(
        "--frames", type=door.count, default=17, help="frames of a clip (default: 17)"
    )
    parser.add_argument("--size", type=door.count, default=256, help="its sides (default: 256)")
    parser.add_argument(
        "--source", type=door.count, nargs=2, default=(720, 1280), help="of the films"
    )
    parser.add_argument("--side", type=door.count, default=256, help="shorter side of the records")
    parser.add_argument("--films", type=door.count, default=4, help="films (default: 4)")
    parser.add_argument(
        "--length", type=door.count, default=130, help="frames of a film (default: 130)"
    )
    parser.add_argument("--clips", type=door.count, default=8, help="clips of a round (default: 8)")
    parser.add_argument("--rounds", type=door.count, default=5, help="rounds; the median counts")
    return parser


def _rounds(forms: Sequence[tuple], options: argparse.Namespace) -> dict[str, list[tuple]]:
    """By form, for each round: processor seconds of the clips and of the bare loop."""
    augment, size = clips.Augment(strides=(1, 2)), (options.size, options.size)
    found: dict[str, list[tuple]] = {name: [] for name, *_ in forms}
    for round_ in range(options.rounds + 1):
        for name, source, bare in forms:
            frames = 1 if name == "stills" else options.frames
            drawn = range(round_ * options.clips, (round_ + 1) * options.clips)
            pairs = [(i * 7 % len(source), augment.draw(0, i)) for i in drawn]
            clip = functools.partial(source.clip, frames=frames, height=size[0], width=size[1])
            ours = _seconds([functools.partial(clip, j, draw) for j, draw in pairs])
            loop = _seconds([bare(source, j, d, frames) for j, d in pairs]) if bare else None
            if round_:  # the first opens files and fills caches
                found[name].append((ours, loop))
    return found


def main(argv: Sequence[str] | None = None) -> int:
    """The door; prints a line for each form, then what hosts need."""
    options = _parser().parse_args(argv)
    cv2.setNumThreads(1)
    with tempfile.TemporaryDirectory() as folder:
        forms = [
            (name, source.of_length(1 if name == "stills" else options.frames), bare)
            for name, source, bare in made(pathlib.Path(folder), options)
        ]
        measured = _rounds(forms, options)
    need = {host: needed(*chips) for host, chips in HOSTS.items()}
    shape = f"{options.frames} x {options.size} x {options.size}"
    print(f"clips of {shape} from films of {options.source[0]} x {options.source[1]}; a still is 1")
    for name, rounds in measured.items():
        speed = statistics.median(options.clips / max(ours, 1e-9) for ours, _ in rounds)
        line = f"{name:16} {speed:9.1f} clips/s/core"
        shares = [loop / max(ours, 1e-9) for ours, loop in rounds if loop is not None]
        if shares:
            line += f"   bare decoding reached {statistics.median(shares):5.2f}"
        if (options.frames, options.size) == (17, 256) and name != "stills":
            cores = " and ".join(f"{need[host] / speed:.1f}" for host in HOSTS)
            line += f"   {cores} cores feed the hosts below"
        print(line)
    for host, (chips, peak) in HOSTS.items():
        print(
            f"{host:20} {need[host]:6.1f} clips/s of 17 x 256 x 256 "
            f"({chips} x {peak:g} TFLOP/s x {MFU} / {TFLOP:g} TFLOP)"
        )
    return 0


if __name__ == "__main__":
    door.run(main)
