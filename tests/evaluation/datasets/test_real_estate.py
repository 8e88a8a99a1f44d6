import pytest

from pv_vae_jax.data import video_files
from pv_vae_jax.data.clips import ClipError
from pv_vae_jax.evaluation import datasets
from tests.data import films

POSE = " 0.5 0.9 0.5 0.5 0 0" + " 1.0" * 12


def sequence(folder, name, video, stamps, split="test"):
    path = folder / "RealEstate10K" / split / f"{name}.txt"
    path.parent.mkdir(parents=True, exist_ok=True)
    rows = [f"https://www.youtube.com/watch?v={video}", *(f"{stamp}{POSE}" for stamp in stamps)]
    path.write_text("\n".join(rows) + "\n")
    return path


def test_a_sequence_is_exactly_the_frames_of_its_time_stamps(tmp_path):
    sequence(tmp_path, "00aa", "-x_AAAAAAAA", range(400_000, 1_040_001, 40_000))
    sequence(tmp_path, "00bb", "-x_AAAAAAAA", range(0, 320_001, 40_000))
    sequence(tmp_path, "00cc", "BBBBBBBBBBB", range(0, 320_001, 40_000))
    sequence(tmp_path, "00dd", "BBBBBBBBBBB", range(0, 320_001, 40_000), split="train")
    video_files.write(tmp_path / "my videos" / "-x_AAAAAAAA.mp4", [films.numbered(60)], rate=25)
    items = datasets.items("realestate10k", "test", tmp_path)
    assert [(item.key, item.source, item.label) for item in items] == [
        ("00aa", "-x_AAAAAAAA", -1),
        ("00bb", "-x_AAAAAAAA", -1),
        ("00cc", "BBBBBBBBBBB", -1),
    ]
    assert (items[0].start, items[0].end) == (0.4, 1.04)
    assert list(films.numbers(datasets.clip(items[0], 17, 1, 48, 64))) == list(range(10, 27))
    assert list(films.numbers(datasets.clip(items[0], 5, 4, 48, 64))) == [10, 14, 18, 22, 26]
    assert list(films.numbers(datasets.clip(items[1], 9, 1, 48, 64))) == list(range(9))
    with pytest.raises(ClipError, match="00aa: too short: 17 frames where 18 are needed"):
        datasets.clip(items[0], 18, 1, 48, 64)
    assert items[2].reason.startswith("no BBBBBBBBBBB.mp4 (or")


def test_the_video_may_have_any_extension_and_the_address_any_form(tmp_path):
    path = sequence(tmp_path, "00aa", "AAAAAAAAAAA", (0, 40_000))
    rows = path.read_text().splitlines()[1:]
    (tmp_path / "AAAAAAAAAAA.webm").touch()
    for address in ("https://youtu.be/AAAAAAAAAAA", "http://youtube.com/watch?v=AAAAAAAAAAA&t=1\r"):
        path.write_text("\n".join([address, *rows]))
        (item,) = datasets.items("realestate10k", "test", tmp_path)
        assert item.path == str(tmp_path / "AAAAAAAAAAA.webm")


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        (["0 1 2", "40000 1 2"], "line 1: '0 1 2' is not the address of a YouTube video"),
        (["https://youtu.be/A", "0.5 1", "1 1"], "not whole microseconds: .*'0.5'"),
        (["https://youtu.be/A", "5 1"], "its 1 time stamps are not two or more that increase"),
        (["https://youtu.be/A", "5 1", "5 1"], "its 2 time stamps are not two or more"),
    ],
)
def test_a_text_file_that_cannot_be_read_is_named(tmp_path, lines, message):
    sequence(tmp_path, "00aa", "A", (0, 1)).write_text("\n".join(lines))
    with pytest.raises(ValueError, match=f"00aa.txt.*{message}"):
        datasets.items("realestate10k", "test", tmp_path)


def test_without_text_files_the_message_says_what_to_get(tmp_path):
    with pytest.raises(FileNotFoundError, match='no train/SEQUENCE.txt .*page "RealEstate10K"'):
        datasets.items("realestate10k", "train", tmp_path)
    with pytest.raises(ValueError, match="realestate10k needs the folder"):
        datasets.items("realestate10k", "train", None)
