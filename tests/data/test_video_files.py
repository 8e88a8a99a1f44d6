import struct

import av
import numpy as np
import pytest

from pv_vae_jax.data import video_files, video_probe
from pv_vae_jax.data.clips import ClipError
from pv_vae_jax.data.rendered import Scene
from tests.data import films


def test_written_frames_are_read_back(tmp_path):
    video = films.numbered(20)
    video_files.write(tmp_path / "deeper" / "a.mp4", [video[:7], video[7:]], rate=30)
    again = np.concatenate(list(video_files.iterate(tmp_path / "deeper" / "a.mp4", 6)))
    assert again.shape == video.shape and np.abs(again.astype(int) - video).mean() < 2
    assert video_files.rate_of(tmp_path / "deeper" / "a.mp4") == 30
    with av.open(str(tmp_path / "deeper" / "a.mp4")) as container:
        context = container.streams.video[0].codec_context
        assert (context.name, context.pix_fmt) == ("h264", "yuv420p")


def test_the_same_frames_are_the_same_film_byte_for_byte(tmp_path):
    """With x264's macroblock trees a fifth to a half of these films were others each time."""
    videos = [Scene.drawn(n, 9, 32, 32, world="smooth").video() for n in range(40)]

    def written(name):
        for n, video in enumerate(videos):
            video_files.write(tmp_path / name / f"{n}.mp4", [video])
        return [(tmp_path / name / f"{n}.mp4").read_bytes() for n in range(len(videos))]

    first = written("a")
    assert all(written(name) == first for name in "bcd")


def test_odd_sizes_are_written_with_their_edge_repeated(tmp_path):
    video_files.write(tmp_path / "odd.mp4", [films.numbered(3, 45, 63)])
    again = next(video_files.iterate(tmp_path / "odd.mp4", 3))
    assert again.shape == (3, 46, 64, 3)
    assert np.abs(again[:, :, 63].astype(int) - again[:, :, 62]).mean() < 4


def test_chunks_cover_the_film_once(tmp_path):
    video_files.write(tmp_path / "a.mp4", [films.numbered(20)])
    chunks = list(video_files.iterate(tmp_path / "a.mp4", 8))
    assert [len(chunk) for chunk in chunks] == [8, 8, 4]
    assert np.array_equal(films.numbers(np.concatenate(chunks)), np.arange(20))


@pytest.mark.parametrize(
    "name", ["fixed.mp4", "open_groups.mp4", "variable.mp4", "variable.mkv", "a.mpg", "a.avi"]
)
def test_any_frame_is_found_by_its_time_stamp(tmp_path, name):
    path = tmp_path / name
    stamps = films.variable_stamps(60) if name.startswith("variable") else None
    codec = {"a.mpg": "mpeg2video", "a.avi": "mpeg4"}.get(name, "libx264")
    more = {"x264-params": "open-gop=1:bframes=3:scenecut=0"} if "open" in name else {}
    films.encode(path, films.numbered(60), codec, stamps=stamps, g="12", bf="2", **more)
    entry = video_probe.probe(path)
    assert (entry.reason, entry.frames, bool(entry.step)) == ("", 60, stamps is None)
    for start, stride in ((0, 1), (1, 1), (11, 2), (30, 3), (51, 1)):
        wanted = start + stride * np.arange(9)
        read = np.stack(list(video_files.read(path, entry.pts(wanted))))
        assert np.array_equal(films.numbers(read), wanted)


def _shown_by(path, a, b, c, d):
    """Writes a display matrix into an MP4: (x, y) is shown at (a x + c y, b x + d y)."""
    data = bytearray(path.read_bytes())
    place = data.index(b"tkhd") + 44
    one = 1 << 16
    data[place : place + 36] = struct.pack(
        ">9i", a * one, b * one, 0, c * one, d * one, 0, 0, 0, 1 << 30
    )
    path.write_bytes(data)


MATRICES = {
    (1, 0, 0, 1): lambda x: x,
    (0, 1, -1, 0): lambda x: np.rot90(x, -1),
    (-1, 0, 0, -1): lambda x: np.rot90(x, 2),
    (0, -1, 1, 0): lambda x: np.rot90(x, 1),
    (-1, 0, 0, 1): lambda x: x[:, ::-1],
    (1, 0, 0, -1): lambda x: x[::-1],
    (0, 1, 1, 0): lambda x: x.swapaxes(0, 1),
    (0, -1, -1, 0): lambda x: x.swapaxes(0, 1)[::-1, ::-1],
}


@pytest.mark.parametrize("matrix", MATRICES)
def test_a_film_is_turned_and_mirrored_as_its_display_matrix_says(tmp_path, matrix):
    video = films.numbered(3)
    video[:, :16] = 128 + video[:, :16] // 4  # the upper part is another than the lower
    video_files.write(tmp_path / "a.mp4", [video])
    plain = next(video_files.iterate(tmp_path / "a.mp4", 3))
    _shown_by(tmp_path / "a.mp4", *matrix)
    entry = video_probe.probe(tmp_path / "a.mp4")
    read = np.stack(list(video_files.read(entry.path, entry.pts(np.arange(3)))))
    assert read.shape[1:3] == (entry.height, entry.width)
    for shown, frame in zip(read, plain, strict=True):
        np.testing.assert_array_equal(shown, MATRICES[matrix](frame))


def test_a_film_whose_time_stamps_are_those_of_decoding_is_refused_with_a_way_out(tmp_path):
    for name, reason in (("b.avi", "its time stamps are not in order: remux it"), ("b.mp4", "")):
        films.encode(tmp_path / name, films.numbered(40), "libx264", g="12", bf="2")
        assert video_probe.probe(tmp_path / name).reason.startswith(reason or "")
    assert not video_probe.probe(tmp_path / "b.mp4").reason


def test_a_frame_that_is_not_there_is_named(tmp_path):
    video_files.write(tmp_path / "a.mp4", [films.numbered(10)])
    entry = video_probe.probe(tmp_path / "a.mp4")
    with pytest.raises(ClipError, match="a.mp4: 1 of 2 frames readable"):
        list(video_files.read(entry.path, [*entry.pts([9]), entry.pts([9])[0] + 10**6]))
    with pytest.raises(ClipError, match="b.mp4: no such file"):
        list(video_files.read(tmp_path / "b.mp4", [0]))


def _damaged(path) -> int:
    """Flips bits of a film until the decoder marks one frame; returns that frame's number."""
    whole = path.read_bytes()
    for place in range(len(whole) // 3, len(whole) - 64, 61):
        path.write_bytes(whole[:place] + bytes(b ^ 0x5A for b in whole[place : place + 4]))
        with path.open("ab") as file:
            file.write(whole[place + 4 :])
        try:
            with av.open(str(path)) as container:
                container.streams.video[0].codec_context.thread_count = 1
                marks = [frame.is_corrupt for frame in container.decode(video=0)]
        except av.FFmpegError:
            continue
        if len(marks) == 40 and sum(marks) == 1 and marks.index(True) > 2:
            return marks.index(True)
    raise AssertionError("no damage that the decoder notices")


def test_a_corrupt_frame_fails_the_frames_that_lean_on_it(tmp_path):
    steps = np.random.default_rng(0).integers(-9, 10, (40, 48, 64, 3)).cumsum(axis=0)
    path = tmp_path / "a.mp4"
    films.encode(path, np.clip(128 + steps, 0, 255).astype(np.uint8), g="40", bf="0")
    entry = video_probe.probe(path)
    corrupt = _damaged(path)
    assert len(list(video_files.read(path, entry.pts(range(corrupt))))) == corrupt
    with pytest.raises(ClipError, match="a.mp4: corrupt data before pts"):
        list(video_files.read(path, entry.pts([corrupt + 1])))
    with pytest.raises(ClipError, match="a.mp4: corrupt data before frame"):
        list(video_files.iterate(path, 8))


def test_pixels_of_the_wrong_kind_are_refused(tmp_path):
    with pytest.raises(ValueError, match=r"uint8 \[n, H, W, 3\], got float32 \[2, 4, 4, 3\]"):
        video_files.write(tmp_path / "a.mp4", [np.zeros((2, 4, 4, 3), np.float32)])
    with pytest.raises(ValueError, match="no frames to write"):
        video_files.write(tmp_path / "a.mp4", [])


def test_a_film_that_an_edit_list_cuts_is_not_truncated(tmp_path):
    films.encode(tmp_path / "a.mp4", films.numbered(60), g="12", bf="0")
    data = bytearray((tmp_path / "a.mp4").read_bytes())
    place = data.index(b"elst") + 12  # the duration of its only entry
    (duration,) = struct.unpack(">I", data[place : place + 4])
    data[place : place + 4] = struct.pack(">I", duration // 2)
    entry = video_probe.probe(bytes(data))
    assert entry.reason == "" and 30 <= entry.frames < 40
    frames = list(video_files.read(bytes(data), entry.pts(np.arange(30))))
    assert list(films.numbers(np.stack(frames))) == list(range(30))


def test_packets_of_vp8_that_show_no_frame_are_none(tmp_path):
    films.encode(tmp_path / "a.webm", films.numbered(24), "libvpx", g="8", deadline="good")
    with av.open(tmp_path / "a.webm") as source, av.open(tmp_path / "b.webm", "w") as target:
        stream = target.add_stream_from_template(source.streams.video[0])
        for number, packet in enumerate(p for p in source.demux(video=0) if p.size):
            if number == 5:
                data = bytes(packet)
                hidden = av.Packet(bytes([data[0] & ~0x10]) + data[1:])
                hidden.pts = hidden.dts = packet.pts - 20
                hidden.time_base, hidden.stream = packet.time_base, stream
                target.mux(hidden)
            packet.stream = stream
            target.mux(packet)
    entry = video_probe.probe(tmp_path / "b.webm")
    assert entry.frames == 24
    frames = np.stack(list(video_files.read(tmp_path / "b.webm", entry.pts(np.arange(24)))))
    assert frames.shape[0] == 24


def test_films_in_bytes_are_refused_as_files_are(tmp_path):
    films.encode(tmp_path / "a.avi", films.numbered(30), bf="2")
    film = (tmp_path / "a.avi").read_bytes()
    assert "not in order: remux it" in video_probe.time_stamps(film)[1]


def test_a_film_without_loss_has_the_very_pixels(tmp_path):
    video = np.random.default_rng(0).integers(0, 256, (5, 32, 48, 3), np.uint8)
    video_files.write(tmp_path / "a.mp4", [video], kind=video_files.LOSSLESS)
    np.testing.assert_array_equal(
        np.concatenate([*video_files.iterate(tmp_path / "a.mp4", 8)]), video
    )
    assert video_files.coding(tmp_path / "a.mp4") == "h264, gbrp"
    video_files.write(tmp_path / "b.mp4", [video])
    assert video_files.coding(tmp_path / "b.mp4") == "h264, yuv420p"
