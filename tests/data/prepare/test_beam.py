"""The pipeline for a fleet, by Beam's direct runner, against the run on one machine."""

import warnings

import pytest

from pv_vae_jax.data import rendered, video_files
from pv_vae_jax.data.prepare import beam, items, pieces, run

try:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import apache_beam  # noqa: F401
    MISSING = False
except ImportError:
    MISSING = True

RULES = pieces.Rules(frames=9, shortest=5, side=32, group=4, held_out=0.4, shards=3)


def folder_of_films(folder):
    for number in range(4):
        scenes = [rendered.render(10 * number + n, 12, 48, 64) for n in (0, 1)]
        video_files.write(folder / f"{number}.mp4", scenes)
    (folder / "again.mp4").write_bytes((folder / "2.mp4").read_bytes())
    (folder / "bad.mp4").write_text("this is not a film\n" * 50)
    (folder / "list.txt").write_text(
        "".join(f"{name}.mp4\n" for name in (*range(4), "again", "bad", "not_there"))
    )
    return items.of(folder / "list.txt")[0]


@pytest.mark.skipif(MISSING, reason="apache_beam is not installed (constraints-beam.txt)")
@pytest.mark.filterwarnings("ignore")  # of Beam and of what it imports
def test_the_direct_runner_gives_the_bytes_of_one_machine(tmp_path):
    sources = folder_of_films(tmp_path / "films")
    alone = run.prepare(sources, tmp_path / "alone", RULES, 1, False)
    fleet = beam.prepare(sources, str(tmp_path / "fleet"), RULES, ["--runner=DirectRunner"])
    assert fleet == alone and alone["sources"] == {
        "used": 4,
        "refused": 3,
        "refused_for": {"a copy": 1, "not a readable video": 1, "no such file": 1},
    }
    one, other = (
        {path.name: path.read_bytes() for path in (tmp_path / name).iterdir()}
        for name in ("alone", "fleet")
    )
    assert one == other and len(one) == 2 * 3 + 2 + 3
    again = beam.prepare(sources, str(tmp_path / "fleet"), RULES, ["--runner=DirectRunner"])
    assert again == fleet
    with pytest.raises(ValueError, match="frames is 13 and was 9"):
        other_rules = pieces.Rules(**{**vars(RULES), "frames": 13})
        beam.prepare(sources, str(tmp_path / "fleet"), other_rules)


@pytest.mark.skipif(MISSING, reason="apache_beam is not installed (constraints-beam.txt)")
@pytest.mark.filterwarnings("ignore")
def test_when_no_source_is_usable_the_reasons_are_listed(tmp_path):
    (tmp_path / "a.mp4").touch()
    with pytest.raises(
        FileNotFoundError, match=r"(?s)none of 1 sources is usable:\n  a.mp4: empty"
    ):
        beam.prepare(items.of(tmp_path)[0], str(tmp_path / "out"), RULES, ["--runner=DirectRunner"])


@pytest.mark.skipif(not MISSING, reason="apache_beam is installed")
def test_without_beam_a_sentence_says_what_to_install(tmp_path):
    with pytest.raises(ValueError, match="--beam needs Apache Beam, .* constraints-beam.txt"):
        beam.prepare([], str(tmp_path), RULES)
