"""Clips per second of the input pipeline, over bare PyAV decoding of the same frames.

    ratio = clips/s of TrainingData.batches / clips/s of a loop that decodes the same frames    (1)

The bare loop seeks and decodes as the pipeline must, with as many decoder threads (one), to RGB,
and does nothing else: no crop, resize or batch. Both alternate in one process, so that other load
on the machine touches both alike. Each round of the pipeline starts anew at its step; its first
batch is not timed. With threads or workers a few batches are then under way already, so use many
steps a round.
Run as `python -m launch.bench pipeline FOLDER`.
"""

import argparse
import statistics
import time
from collections.abc import Sequence

import av

from launch import door
from pv_vae_jax.data import clips, pipeline, sources
from pv_vae_jax.withholding import Withholding


def bare(data: pipeline.TrainingData, steps: range) -> float:
    """Seconds to decode, with PyAV alone, the frames of all examples of ``steps``."""
    source, wanted = data.sources[0], []
    for step in steps:
        first, bucket = data.schedule.start(step), data.schedule.bucket(step)
        for index in range(first, first + bucket.batch):
            draw = data.augment.draw(data.seed, index)
            entry, numbers = source.frame_numbers(data.which(index)[1], draw, data.frames)
            wanted.append((entry.path, entry.pts(numbers)))
    began = time.perf_counter()
    for path, stamps in wanted:
        with av.open(path) as container:
            stream = container.streams.video[0]
            stream.codec_context.thread_count = 1
            container.seek(stamps[0], stream=stream, backward=True)
            for frame in container.decode(stream):
                if frame.pts in stamps:
                    frame.to_ndarray(format="rgb24")
                if frame.pts >= stamps[-1]:
                    break
    return time.perf_counter() - began


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m launch.bench pipeline", description=__doc__)
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument("videos", help="folder, list or file; or `rendered`, which has no ratio")
    parser.add_argument(
        "--frames", type=door.count, default=9, help="frames of a clip (default: 9)"
    )
    parser.add_argument(
        "--size", type=door.count, default=32, help="its sides in pixels (default: 32)"
    )
    parser.add_argument("--batch", type=door.count, default=8, help="clips of a batch (default: 8)")
    parser.add_argument(
        "--steps", type=door.count, default=8, help="batches of a round (default: 8)"
    )
    parser.add_argument("--rounds", type=door.count, default=5, help="rounds; the median counts")
    parser.add_argument("--workers", type=int, default=0, help="processes (default: 0)")
    parser.add_argument("--threads", type=int, default=0, help="threads of each (default: 0)")
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """The door; prints both figures and the ratio of (1)."""
    options = _parser().parse_args(argv)
    is_rendered = options.videos == "rendered"
    source = sources.Rendered() if is_rendered else sources.VideoFiles(options.videos)
    bucket = (options.size, options.size, options.batch)
    data = pipeline.TrainingData(
        [source], [bucket], options.frames, 4, Withholding(), 0, clips.Augment()
    )
    of_pipeline, of_loop, per_round = [], [], options.steps * options.batch
    for number in range(options.rounds):
        first = 1 + number * options.steps
        batches = data.batches(first - 1, workers=options.workers, threads=options.threads)
        next(batches)
        began = time.perf_counter()
        for _ in range(options.steps):
            next(batches)
        of_pipeline.append(per_round / (time.perf_counter() - began))
        batches.close()
        if not is_rendered:
            of_loop.append(per_round / bare(data, range(first, first + options.steps)))
    print(f"pipeline        {statistics.median(of_pipeline):8.1f} clips/s")
    if not is_rendered:
        ratios = [a / b for a, b in zip(of_pipeline, of_loop, strict=True)]
        print(f"bare decoding   {statistics.median(of_loop):8.1f} clips/s")
        print(
            f"ratio           {statistics.median(ratios):8.2f} "
            f"(smallest {min(ratios):.2f}, largest {max(ratios):.2f})"
        )
    return 0


if __name__ == "__main__":
    door.run(main)
