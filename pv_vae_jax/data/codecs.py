"""Coded frames in memory: H.264 in closed groups of pictures, or a JPEG for each frame.

Encoding is a function of the pixels and the settings alone: one thread, groups of fixed length, no
time of day; the same versions of the libraries give the same bytes on any number of cores.
"""

import fractions
from collections.abc import Iterator, Sequence

import av
import cv2
import numpy as np
from av.video import reformatter

# x264's macroblock tree is not repeatable on AVX-512 (libx264 of PyAV 18.1.0): there it uses what
# is below, which any such CPU has.
AVX512F = 13  # CV_CPU_AVX_512F of OpenCV, which has no name in Python
REPEATABLE = ":asm=MMX2,SSE2Fast,SSSE3,SSE4.2,AVX,FMA3,BMI2,AVX2"

Starts = tuple[tuple[int, int], ...]  # (frame, byte) at which each unit begins


def h264(video: np.ndarray, rate: float, crf: int, every: int) -> tuple[bytes, Starts]:
    """An Annex B stream and where its groups begin.

    Args:
      video: uint8 RGB ``[T, H, W, 3]``, H and W even.
      rate: frames per second.
      crf: x264's constant rate factor, 0 to 51, smaller is better.
      every: frames of a group.

    Raises:
      ValueError: odd sides, which yuv420p cannot hold.
    """
    height, width = video.shape[1:3]
    if height % 2 or width % 2:
        raise ValueError(f"H.264 in yuv420p needs even sides, got {height}x{width}.")
    context = av.CodecContext.create("libx264", "w")
    context.height, context.width, context.pix_fmt = height, width, "yuv420p"
    context.framerate = fractions.Fraction(rate).limit_denominator(1001)
    context.time_base = 1 / context.framerate
    context.thread_count = 1
    fixed = f"keyint={every}:min-keyint={every}:scenecut=0:open-gop=0:threads=1:lookahead-threads=1"
    if cv2.checkHardwareSupport(AVX512F):
        fixed += REPEATABLE
    context.options = {"preset": "medium", "crf": str(crf), "x264-params": fixed}
    packets = []
    for number, pixels in enumerate(video):
        frame = av.VideoFrame.from_ndarray(pixels, format="rgb24")
        frame.pts, frame.time_base = number, context.time_base
        packets.extend(context.encode(frame))
    packets.extend(context.encode(None))
    starts, byte = [], 0
    for packet in packets:
        if packet.is_keyframe:
            starts.append((int(packet.pts), byte))
        byte += packet.size
    return b"".join(bytes(packet) for packet in packets), tuple(starts)


def jpeg(video: np.ndarray, quality: int) -> tuple[bytes, Starts]:
    """JPEG files one after the other, of uint8 RGB ``[T, H, W, 3]``; quality is 1 to 100."""
    files, starts, byte = [], [], 0
    for number, pixels in enumerate(video):
        done, coded = cv2.imencode(
            ".jpg", cv2.cvtColor(pixels, cv2.COLOR_RGB2BGR), [cv2.IMWRITE_JPEG_QUALITY, quality]
        )
        if not done:
            raise ValueError(f"frame {number} of shape {pixels.shape} cannot be a JPEG.")
        files.append(coded.tobytes())
        starts.append((number, byte))
        byte += len(files[-1])
    return b"".join(files), tuple(starts)


def _decoded(context: av.CodecContext, stream: bytes) -> Iterator[av.VideoFrame]:
    for packet in [*context.parse(stream), *context.parse(None)]:
        yield from context.decode(packet)
    yield from context.decode(None)


def from_h264(units: Sequence[bytes], numbers: Sequence[int]) -> Iterator[np.ndarray]:
    """The frames ``numbers`` (increasing, counted from the first unit) of adjacent units.

    Raises:
      ValueError: the stream is damaged, or ends too early.
    """
    context = av.CodecContext.create("h264", "r")
    context.thread_count = 1
    to_rgb, found = reformatter.VideoReformatter(), 0  # to_ndarray starts threads for each frame
    try:
        for number, frame in enumerate(_decoded(context, b"".join(units))):
            if frame.is_corrupt:
                raise ValueError(f"corrupt data at frame {number} of the unit")
            if number != numbers[found]:
                continue
            yield to_rgb.reformat(frame, format="rgb24", threads=1).to_ndarray()
            found += 1
            if found == len(numbers):
                return
    except av.FFmpegError as error:
        raise ValueError(str(error.strerror or error).lower()) from error
    raise ValueError(f"{found} of {len(numbers)} frames are there")


def from_jpeg(units: Sequence[bytes], numbers: Sequence[int]) -> Iterator[np.ndarray]:
    """The pictures ``numbers`` of ``units``; ValueError for one that is damaged."""
    for number in numbers:
        picture = cv2.imdecode(np.frombuffer(units[number], np.uint8), cv2.IMREAD_COLOR)
        if picture is None:
            raise ValueError(f"picture {number} is not a JPEG")
        yield cv2.cvtColor(picture, cv2.COLOR_BGR2RGB)


DECODERS = {"h264": from_h264, "jpeg": from_jpeg}
