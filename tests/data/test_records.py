import dataclasses
import json

import av
import numpy as np
import pytest

from pv_vae_jax.data import codecs, records
from pv_vae_jax.data.clips import ClipError
from tests.data import films

FRAMES, GROUP = 24, 5


def made(codec="h264", video=None, **fields):
    video = films.numbered(FRAMES) if video is None else video
    if codec == "h264":
        payload, starts = codecs.h264(video, 25.0, crf=12, every=GROUP)
    else:
        payload, starts = codecs.jpeg(video, 95)
    known = {"rate": 25.0, "key": "a-0", "source": "films/a.mp4", "first": 40} | fields
    return records.Record(codec, payload, starts, *video.shape[:3], **known)


def seen(record, numbers):
    return list(films.numbers(np.stack(list(records.frames_of(record, numbers)))))


@pytest.mark.parametrize("codec", ["h264", "jpeg"])
@pytest.mark.parametrize("numbers", [[0], [23], [3, 4, 5, 6], [2, 9, 23], list(range(FRAMES))])
def test_any_frames_are_found(codec, numbers):
    assert seen(made(codec), numbers) == numbers


@pytest.mark.parametrize("codec", ["h264", "jpeg"])
def test_frames_do_not_need_what_is_before_or_after_their_unit(codec):
    whole = made(codec)
    begin, end = (dict(whole.starts)[n] for n in (10, 15))
    payload = bytearray(len(whole.payload))
    payload[begin:end] = whole.payload[begin:end]
    alone = dataclasses.replace(whole, payload=bytes(payload))
    numbers = [10, 12, 14] if codec == "h264" else [10, 14]
    if codec == "jpeg":
        last = dict(whole.starts)[14]
        assert begin < last < end
    assert seen(alone, numbers) == numbers
    with pytest.raises(ClipError, match="a-0: frames from 9 do not decode"):
        seen(alone, [9])


def test_groups_are_closed_and_of_the_length_that_is_asked_for():
    record = made()
    assert [frame for frame, _ in record.starts] == [0, 5, 10, 15, 20]
    for _, byte in record.starts:  # Annex B; a group begins with the sequence's parameters (7)
        kinds = [record.payload[byte + n] & 31 for n in (4, 3) if record.payload[byte + n - 1] == 1]
        assert kinds and kinds[0] in (7, 9)


def test_decoded_pixels_are_near_those_that_were_coded():
    y, x, t = np.ogrid[:48, :64, :FRAMES]
    waves = [127.5 + 90 * np.sin(x / 30 + y / 25 + t / 5 + phase) for phase in (0, 1, 2)]
    video = np.rint(np.stack(waves, -1)).astype(np.uint8).transpose(2, 0, 1, 3)
    for codec in ("h264", "jpeg"):
        again = np.stack(list(records.frames_of(made(codec, video), range(FRAMES))))
        error = again.astype(float) - video
        assert abs(error.mean()) < 1.5 and np.sqrt((error**2).mean()) < 3


def test_frames_of_h264_are_those_of_pyav_bit_for_bit():
    noise = np.random.default_rng(0).integers(0, 256, (9, 34, 50, 3)).astype(np.uint8)
    payload, starts = codecs.h264(noise, 25.0, 17, 4)
    context = av.CodecContext.create("h264", "r")
    whole = [f.to_ndarray(format="rgb24") for f in codecs._decoded(context, payload)]
    for first, second in zip(codecs.from_h264([payload], range(9)), whole, strict=True):
        np.testing.assert_array_equal(first, second)
    assert len(starts) == 3


def test_the_same_pixels_give_the_same_bytes():
    assert records.encode(made()) == records.encode(made())


def test_the_layout_is_a_length_a_json_header_and_the_payload():
    record = made(label=7, caption="ein Vogel, ein 鳥")
    data = records.encode(record)
    length = int.from_bytes(data[4:8], "little")
    header = json.loads(data[8 : 8 + length].decode("utf-8"))
    assert data[:4] == b"PVR1" and data[8 + length :] == record.payload
    assert header == {
        "codec": "h264", "starts": [list(start) for start in record.starts], "frames": FRAMES,
        "height": 48, "width": 64, "rate": 25.0, "key": "a-0", "source": "films/a.mp4",
        "first": 40, "label": 7, "caption": "ein Vogel, ein 鳥",
    }  # fmt: skip
    assert records.decode(data) == record


@pytest.mark.parametrize(
    "damage, reason",
    [
        (lambda d: b"", "not a record"),
        (lambda d: b"PVR2" + d[4:], "it begins with b'PVR2', not b'PVR1'"),
        (lambda d: d[:30], "the header of the record is damaged"),
        (lambda d: d.replace(b'"frames":24', b'"frames":20'), "its units do not fit 20 frames"),
        (lambda d: d.replace(b'"codec":"h264"', b'"codec":"h266"'), "codec is 'h266', known are"),
        (lambda d: d.replace(b'"rate":25.0', b'"rate":"25"'), "rate is '25', not of type float"),
        (lambda d: d.replace(b'"first":40', b'"later":40'), "the header of the record is damaged"),
        (lambda d: d.replace(b'"starts":[[0,0],', b'"starts":[[0,1],'), "its units do not fit"),
    ],
)
def test_a_damaged_record_is_named_with_the_reason(damage, reason):
    data = damage(records.encode(made()))
    with pytest.raises(ClipError, match=reason) as found:
        records.decode(data, "train-00000-of-00001.array_record record 3")
    assert found.value.name == "train-00000-of-00001.array_record record 3"


@pytest.mark.parametrize("codec", ["h264", "jpeg"])
def test_a_damaged_payload_is_named_by_its_key(codec):
    record = made(codec)
    broken = dataclasses.replace(record, payload=bytes(len(record.payload)))
    with pytest.raises(ClipError, match="a-0: frames from 3 do not decode"):
        seen(broken, [3])


def test_a_frame_that_is_not_there_is_refused():
    with pytest.raises(IndexError, match="a-0 has frames 0 to 23, asked for"):
        seen(made(), [3, 24])


def test_odd_sides_are_refused_by_h264_and_taken_by_jpeg():
    video = films.numbered(3, 45, 63)
    with pytest.raises(ValueError, match="needs even sides, got 45x63"):
        made(video=video)
    assert next(records.frames_of(made("jpeg", video), [2])).shape == (45, 63, 3)
