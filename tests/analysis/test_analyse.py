"""All analyses of a model whose latents are the pixels, on rendered scenes: answers from NumPy."""

import dataclasses
import json

import numpy as np
import pytest
from scipy import stats

from pv_vae_jax.analysis import analyse, drawing, finding, showing
from pv_vae_jax.analysis.analyse import Setup
from pv_vae_jax.data import video_files
from pv_vae_jax.data.clips import ClipError
from pv_vae_jax.data.rendered import Scene
from pv_vae_jax.evaluation import protocol
from pv_vae_jax.evaluation.measuring import Video
from tests.analysis import pixels

FORM = ["datasets=rendered", "videos=3", "frames=5", "height=16", "width=16"]
USED = protocol.named("small-ltd").changed(FORM)


@pytest.fixture(autouse=True)
def as_it_is(monkeypatch):
    """The model is not of the registry, which would build it anew in another type."""
    monkeypatch.setattr(analyse.evaluate, "placed", lambda vae, dtype: vae)


@pytest.fixture
def never(monkeypatch):
    """Makes an analysis that computes anything fail."""

    def start():
        def look(*_, **__):
            raise AssertionError("something is computed again")

        monkeypatch.setattr(analyse, "Look", look)

    return start


def setup(tmp_path, **fields):
    known = {"flow": "exact", "shown": 2, "command": "the command"} | fields
    return Setup(known.pop("used", USED), {}, tmp_path, **known)


def clips():
    return [video.read() for video in Setup(USED, {}, "").videos[:3]]


def analysed(tmp_path, **fields):
    known = analyse.analyse(setup(tmp_path, **fields), pixels.vae(), pixels.about())
    return {each.name: each for each in known}


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    out = tmp_path_factory.mktemp("whole")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(analyse.evaluate, "placed", lambda vae, dtype: vae)
        return out, analysed(out)


def test_temporal_distance_of_pixels_is_that_of_numpy(whole):
    curves = []
    for clip in clips():
        x = clip / 127.5 - 1.0
        curves.append(
            [np.sqrt(np.square(x[d:] - x[:-d]).sum(axis=-1)).mean() for d in (1, 2, 3, 4)]
        )
    points = whole[1]["ltd"].values["curve"]
    np.testing.assert_allclose(
        [point["ltd"]["value"] for point in points], np.mean(curves, axis=0), rtol=1e-5
    )
    assert [point["interval"] for point in points] == [1, 2, 3, 4]


def test_correlation_with_motion_is_that_of_numpy(whole):
    found = []
    for video, clip in zip(Setup(USED, {}, "").videos, clips(), strict=False):
        number = int(video.key[-6:])
        flow = Scene.drawn(number, 5, 16, 16, "held_out").flow()
        change = np.linalg.norm(np.diff(clip / 127.5 - 1.0, axis=0), axis=-1)
        magnitude = np.hypot(flow[..., 0], flow[..., 1])
        found.append(stats.pearsonr(change.ravel(), magnitude.ravel()).statistic)
    assert whole[1]["pca"].figures["change_pearson"].value == pytest.approx(
        np.mean(found), abs=1e-4
    )


def test_prediction_of_a_model_that_repeats_is_the_rule_of_repeating(whole):
    known = whole[1]["prediction"]
    errors = []
    for clip in clips():
        difference = clip[3:].astype(float) - clip[2]
        errors.append(np.square(difference).mean() / 127.5**2)
    assert known.values["observed"] == 3
    assert known.figures["repeat"].value == pytest.approx(np.mean(errors), rel=1e-9)
    assert known.figures["against_repeat"].value == 0


def test_a_finding_has_its_identity_and_protocol(whole):
    for name in analyse.NAMES:
        known = whole[1][name]
        assert known == finding.read(whole[0] / "pixels", name)
        assert known.command == "the command" and known.model["digest"]
        assert known.model["training"] == {"stage": "one", "step": 7}
        assert known.protocol["name"] == USED.name and known.protocol["seed"] == 0
    known = whole[1]["ltd"].protocol
    assert known["list_sha256"] == protocol.checksum(v.key for v in Setup(USED, {}, "").videos[:3])
    assert set(analyse.FOUND) <= set(known) and "lpips" not in known


def test_films_are_of_one_size_and_rate_and_components_are_squares_of_their_group(whole):
    known = whole[1]["videos"]
    assert len(known.media) == 2 and known.values["size"] == [16, 16]
    for key, media in known.media.items():
        assert set(media) == {*showing.KINDS, "strip"}
        for kind in showing.KINDS:
            path = whole[0] / "pixels" / media[kind]
            (film,) = video_files.iterate(path, 99)
            assert film.shape == (5, 16, 16, 3) and video_files.rate_of(path) == showing.RATE
            if kind == "original":
                clip = {v.key: v for v in Setup(USED, {}, "").videos[:3]}[key].read()
                assert np.abs(film.astype(int) - clip).mean() < 12
            if kind == "flow":
                assert (film[0] > 250).all() and film[1:].std() > 5


def test_a_second_command_computes_nothing_and_needs_no_data(whole, never, monkeypatch):
    never()
    assert analysed(whole[0]) == whole[1]

    def gone(*_):
        raise FileNotFoundError("the data set is not here any more")

    monkeypatch.setattr(analyse.videos, "of_datasets", gone)
    assert analysed(whole[0]) == whole[1]


def test_a_finding_of_other_videos_of_the_same_sets_is_not_taken_for_that_of_these(
    whole, never, monkeypatch
):
    never()
    fewer = Setup(USED, {}, "").videos[:-1]
    monkeypatch.setattr(analyse.videos, "of_datasets", lambda *_: fewer)
    with pytest.raises(AssertionError, match="something is computed again"):
        analysed(whole[0], flow="dis", only=["pca"])


def test_missing_parts_alone_are_made_again(whole, tmp_path, monkeypatch):
    """Another source of flow is another PCA and other films; rows of the rest are kept."""
    analysed(tmp_path)
    before = {name: finding.read(tmp_path / "pixels", name) for name in analyse.NAMES}
    made = []
    for kind in (analyse.PCA, analyse.TemporalDistance, analyse.Prediction):
        row = kind.row
        monkeypatch.setattr(
            kind,
            "row",
            lambda self, look, i, row=row: (made.append(self.name), row(self, look, i))[1],
        )
    after = analysed(tmp_path, flow="dis")
    assert made == ["pca"] * 3
    assert after["ltd"] == before["ltd"] and after["prediction"] == before["prediction"]
    assert after["pca"].settings != before["pca"].settings
    more = dataclasses.replace(USED, videos=4)
    made.clear()
    analysed(tmp_path, used=more, flow="dis")
    assert sorted(made) == ["ltd", "pca", "prediction"]  # of the fourth video


def test_a_killed_analysis_goes_on(tmp_path, monkeypatch, never):
    keep = analyse.finding.write

    def killed(folder, made):
        if made.name == "ltd":
            raise KeyboardInterrupt
        return keep(folder, made)

    monkeypatch.setattr(analyse.finding, "write", killed)
    with pytest.raises(KeyboardInterrupt):
        analysed(tmp_path, only=("pca", "ltd"))
    monkeypatch.setattr(analyse.finding, "write", keep)
    never()  # rows of all videos are there: nothing but figures is made
    assert set(analysed(tmp_path, only=("pca", "ltd"))) == {"pca", "ltd"}


def test_the_rows_of_a_video_are_made_again_where_its_file_is_another_one(tmp_path, monkeypatch):
    files, made, row = {}, [], analyse.TemporalDistance.row
    videos = [
        dataclasses.replace(video, file=lambda key=video.key: files.get(key, "as it was"))
        for video in Setup(USED, {}, "").videos[:3]
    ]
    monkeypatch.setattr(analyse.videos, "of_datasets", lambda *_: videos)
    monkeypatch.setattr(
        analyse.TemporalDistance,
        "row",
        lambda self, look, i: (made.append(look.videos[i].key), row(self, look, i))[1],
    )

    def killed(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(analyse.finding, "write", killed)
    for _ in range(2):
        with pytest.raises(KeyboardInterrupt):
            analysed(tmp_path, only=["ltd"])
    assert made == [video.key for video in videos]
    files[videos[1].key] = "another"
    with pytest.raises(KeyboardInterrupt):
        analysed(tmp_path, only=["ltd"])
    assert made == [*(video.key for video in videos), videos[1].key]


def test_a_finding_without_correlations_is_drawn_without_them(tmp_path):
    pytest.importorskip("matplotlib")
    found = finding.Finding("pca", {"label": "still"}, {}, {}, {})
    assert drawing.draw(tmp_path, [found]) == ["pca.png", "pca.svg"]


def test_a_video_that_cannot_be_decoded_is_listed_and_the_next_one_taken(tmp_path):
    it = setup(tmp_path)
    videos = list(it.videos)

    def read():
        raise ClipError("broken", "no video stream")

    videos.insert(1, Video("set/broken", "broken", read))
    it.__dict__["videos"] = videos
    for known in analyse.analyse(it, pixels.vae(), pixels.about()):
        if known.name != "videos":
            assert known.refused == {"set/broken": "no video stream"}
            keys = [videos[0].key, videos[2].key, videos[3].key]
            assert known.protocol["list_sha256"] == protocol.checksum(keys)
    films = Setup(USED, {}, tmp_path / "films", only=("videos",), shown=2)
    films.__dict__["videos"] = videos
    (known,) = analyse.analyse(films, pixels.vae(), pixels.about())
    assert known.refused == {"set/broken": "no video stream"} and len(known.media) == 1


@pytest.mark.parametrize("first, second", [("ltd", "pca"), ("pca", "ltd")])
def test_a_video_that_breaks_between_two_analyses_is_listed_by_the_second(first, second, tmp_path):
    analysed(tmp_path, only=(first,))
    it = setup(tmp_path, only=("ltd", "pca"))
    whole, videos = it.videos, list(it.videos)

    def read():
        raise ClipError("broken", "truncated")

    videos[0] = dataclasses.replace(videos[0], read=read)
    it.__dict__["videos"] = videos
    known = {each.name: each for each in analyse.analyse(it, pixels.vae(), pixels.about())}
    assert known[first].refused == {} and known[second].refused == {whole[0].key: "truncated"}
    keys = [video.key for video in whole]
    assert known[first].protocol["list_sha256"] == protocol.checksum(keys[:3])
    assert known[second].protocol["list_sha256"] == protocol.checksum(keys[1:4])
    (tmp_path / "pixels" / first / "finding.json").unlink()
    (known,) = analysed(tmp_path, only=(first,)).values()
    assert known.refused == {}  # its row of that video stands


@pytest.mark.parametrize("basis, ratio", [("video", 1.0), ("shared", 0.25)])
def test_a_shared_basis_shows_a_faint_video_as_faint(basis, ratio, tmp_path):
    """The second clip is the first with a quarter of its contrast."""
    clip = clips()[0]
    mean = clip.mean(axis=(0, 1, 2))
    faint = np.rint(mean + (clip - mean) / 4).astype(np.uint8)
    it = setup(tmp_path, only=("pca", "videos"), flow="dis", basis=basis)
    third = pixels.video("c", clip[::-1])
    it.__dict__["videos"] = [pixels.video("a", clip), pixels.video("b", faint), third]
    _, known = analyse.analyse(it, pixels.vae(), pixels.about())
    spread = [
        next(video_files.iterate(tmp_path / "pixels" / media["pca"], 99)).std(axis=(0, 1, 2)).mean()
        for media in known.media.values()
    ]
    assert list(known.media) == ["a", "b"]
    assert spread[1] / spread[0] == pytest.approx(ratio, abs=0.1)


def test_videos_without_flow_are_told(tmp_path):
    known = analysed(tmp_path, only=("pca", "videos"), flow=str(tmp_path))
    assert known["pca"].values["without_flow"] == [v.key for v in Setup(USED, {}, "").videos[:3]]
    assert "3 of 3 videos have no flow" in known["pca"].notes[0]
    assert list(known["pca"].figures) == ["explained"]
    assert all("flow" not in media for media in known["videos"].media.values())


def test_another_model_in_the_same_folder_is_refused(whole):
    with pytest.raises(ValueError, match="holds findings of another model"):
        analyse.analyse(setup(whole[0]), pixels.vae(2.0), pixels.about())


@pytest.mark.parametrize(
    "fields, message",
    [
        (
            {"only": ("pca", "probe")},
            "--only is some of pca,ltd,prediction,videos,probes; got 'probe'",
        ),
        ({"basis": "mine"}, "--basis is one of video, shared"),
        ({"basis": "shared", "only": ("videos",)}, "let --only name it too"),
        ({"shown": 0}, "--show and --batch are at least 1"),
    ],
)
def test_a_setting_that_cannot_be_is_a_sentence(fields, message, tmp_path):
    with pytest.raises(ValueError, match=message):
        setup(tmp_path, **fields)


def test_places_of_films_are_plain_names():
    assert showing.place_of("rendered/scene_000001") == "rendered/scene_000001"
    odd = [showing.place_of(key) for key in ("a/../b", "a b", "a_b", "a/.hidden")]
    assert len(set(odd)) == 4 and not any(".." in each or " " in each for each in odd)
    json.dumps(odd)
