"""The page in a headless Chromium, with a person's keys: it loads, plays in step, and is quiet."""

import pathlib
import time

import numpy as np
import pytest

from pv_vae_jax.analysis import finding, report
from pv_vae_jax.analysis.finding import Finding
from pv_vae_jax.analysis.report_media import has_vp9
from pv_vae_jax.data import video_files
from tests.analysis import browser, pixels, report_case

pytestmark = pytest.mark.skipif(browser.found() is None, reason="wants Chromium")

FRAMES, RATE, OBSERVED = 17, 8.0, 9
KINDS = ("original", "reconstruction", "prediction", "pca", "flow")
MODELS = ("plain", "predictive")
SHOWN = "[...document.querySelectorAll('.clip.shown video')]"
TIMES = f"{SHOWN}.map((film) => film.currentTime)"


def films(folder, label):
    """The finding "videos" of a model: two clips that grow brighter."""
    ramp = np.linspace(20, 230, FRAMES)[:, None, None, None]
    media = {}
    for key in ("set/a", "set/b"):
        for number, kind in enumerate(KINDS):
            clip = np.broadcast_to(ramp, (FRAMES, 48, 48, 3)).astype(np.uint8)
            clip = clip.copy()
            clip[:, :, : 4 * number + 4] //= 2
            path = f"videos/{key}/{kind}.mp4"
            video_files.write(folder / path, [clip + (label == "plain")], RATE)
            media.setdefault(key, {})[kind] = path
    about = pixels.about(label) | {"digest": label}
    used = {"name": f"small-ltd+{'x' * 80}", "frames": FRAMES, "height": 48, "width": 48}
    values = {"rate": RATE, "observed": OBSERVED, "frames": FRAMES, "size": [48, 48]}
    made = Finding("videos", about, used, {}, {}, values, media, command="python -m launch.analyse")
    finding.write(folder, made)


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    place = tmp_path_factory.mktemp("browser")
    for label in MODELS:
        films(place / "findings" / label, label)
    folders = [place / "findings", report_case.probes(place)]  # films, and a wide table
    return report.write(folders, place / "page")


@pytest.fixture(scope="module")
def tab(tmp_path_factory):
    with browser.page(tmp_path_factory.mktemp("profile")) as tab:
        yield tab


@pytest.fixture
def page(tab, written):
    """The page, opened anew and ready; it may say nothing in its console."""
    tab.told.clear()
    tab.open(written)
    ready(tab)
    yield tab
    assert tab.told == []


def ready(tab):
    tab.until(f"{SHOWN}.every((film) => film.readyState >= 2 && !film.seeking)")


def times(page):
    ready(page)
    return np.array(page.run(TIMES)) * RATE


def frame(page):
    return int(page.run("document.querySelector('.number').textContent"))


def of(number):
    return pytest.approx(np.full(10, number + 0.5), abs=0.01)


def test_it_asks_nothing_of_a_network_and_says_nothing_in_the_console(page):
    assert page.run("document.querySelectorAll('video').length") == 20
    assert page.run(f"{SHOWN}.length") == 10
    assert {url.split(":")[0] for url in page.asked} <= {"file", "data"}
    assert any(url.endswith((".mp4", ".webm")) for url in page.asked)


def test_every_film_loads_in_each_codec(page):
    found = page.run("""Promise.all([...document.querySelectorAll("source")].map((source) =>
      new Promise((resolve) => {
        const film = document.createElement("video");
        film.onloadeddata = () => resolve([source.type, film.videoWidth, film.videoHeight]);
        film.onerror = () => resolve([source.type, source.src, film.error.message]);
        film.src = source.src;
      })))""")
    kinds = ["video/mp4", "video/webm"] if has_vp9() else ["video/mp4"]
    assert found == [[kind, 48, 48] for _ in range(20) for kind in kinds]


def test_arrow_keys_step_one_frame_of_all_films_and_home_and_end_go_to_the_ends(page):
    assert times(page) == of(0)
    page.press("ArrowRight", 3)
    assert frame(page) == 3 and times(page) == of(3)
    page.press("ArrowLeft")
    assert frame(page) == 2 and times(page) == of(2)
    page.press("End")
    assert frame(page) == FRAMES - 1 and times(page) == of(FRAMES - 1)
    page.press("ArrowRight")
    assert frame(page) == FRAMES - 1
    page.press("Home")
    page.press("ArrowLeft")
    assert frame(page) == 0 and times(page) == of(0)


def test_the_scrubber_moves_all_films_by_hand_and_by_key(page):
    page.run("""(() => { const it = document.querySelector(".scrubber");
      it.focus(); it.value = 6; it.dispatchEvent(new Event("input")); })()""")
    assert frame(page) == 6 and times(page) == of(6)
    page.press("ArrowRight")  # one frame, not two
    assert frame(page) == 7 and times(page) == of(7)
    page.press(" ")
    page.until("document.querySelector('.toggle').ariaLabel === 'Pause'")


def test_withheld_frames_are_marked_where_they_begin(page):
    marked = "[...document.querySelectorAll('.clip.shown .badge')].filter((badge) =>" \
        " getComputedStyle(badge).visibility === 'visible').length"  # fmt: skip
    told = "document.querySelector('.scrubber').getAttribute('aria-valuetext')"
    page.press("ArrowRight", OBSERVED - 1)
    assert page.run(marked) == 0 and page.run(told) == "frame 8 of 16"
    page.press("ArrowRight")
    assert page.run(marked) == len(MODELS)
    assert page.run(told) == "frame 9 of 16, withheld from the prediction"


def spread(page, seconds):
    """The most that playing films were apart, in frames; how often that was seen, and a restart."""
    return page.run(f"""new Promise((resolve) => {{
      const films = {SHOWN};
      const begin = performance.now();
      let most = 0;
      let looked = 0;
      let again = 0;
      let last = 0;
      const look = () => {{
        if (films.every((film) => !film.paused && !film.seeking && !film.ended)) {{
          const now = films.map((film) => film.currentTime);
          most = Math.max(most, (Math.max(...now) - Math.min(...now)) * {RATE});
          looked += 1;
          if (now[0] < last) again += 1;
          last = now[0];
        }}
        if (performance.now() - begin < {1000 * seconds}) requestAnimationFrame(look);
        else resolve([most, looked, again]);
      }};
      look();
    }})""")


def test_films_stay_in_step_while_they_play_over_and_over(page):
    page.press(" ")
    page.until(f"{SHOWN}.every((film) => !film.paused)")
    most, looked, again = spread(page, 5)  # twice through all frames
    assert most < 1 and looked > 20 and again >= 1
    page.press(" ")
    assert page.run(f"{SHOWN}.every((film) => film.paused)")
    assert times(page) == of(frame(page))


def test_a_film_that_lost_the_step_finds_it_again(page):
    page.press(" ")
    page.until(f"{SHOWN}.every((film) => !film.paused && film.currentTime > 0.1)")
    page.run(f"{SHOWN}[3].currentTime += 0.8; {SHOWN}[4].pause(); 0")
    page.run(f"{SHOWN}[4].play()")
    time.sleep(0.5)
    most, looked, _ = spread(page, 1)
    assert most < 1 and looked > 3


def test_the_frame_that_is_told_is_the_frame_that_is_shown(page):
    page.press(" ")
    page.until("Number(document.querySelector('.number').textContent) >= 3")
    told, now = page.run(f"[Number(document.querySelector('.number').textContent), {TIMES}[0]]")
    assert abs(told - int(now * RATE)) <= 1


def test_space_plays_and_pauses_and_the_button_says_so(page):
    label = "document.querySelector('.toggle').ariaLabel"
    assert page.run(label) == "Play"
    page.press(" ")
    assert page.run(label) == "Pause"
    page.press(" ")
    assert page.run(label) == "Play" and page.run("scrollY") == 0
    page.run("document.querySelector('.on').focus()")
    page.press(" ")  # the button's own key
    assert page.run(label) == "Play" and frame(page) == 1


def test_another_clip_takes_the_place_of_the_first(page):
    page.run("""(() => { const it = document.querySelector(".choice");
      it.selectedIndex = 1; it.dispatchEvent(new Event("change")); })()""")
    assert page.run(f"{SHOWN}.every((film) => film.ariaLabel.endsWith('set/b'))")
    assert times(page) == of(0)
    page.press("ArrowRight")
    assert times(page) == of(1)


def test_the_theme_follows_the_system_until_one_is_chosen_and_is_remembered(page, written):
    ground = "getComputedStyle(document.body).backgroundColor"
    light = page.run(ground)
    page.open(written, theme="dark")
    dark = page.run(ground)
    assert light != dark
    page.run("document.querySelector('[value=light]').click()")
    assert page.run(ground) == light
    page.open(written, theme="dark")
    assert page.run(ground) == light and page.run("document.querySelector('[value=light]').checked")
    page.run("document.querySelector('[value=auto]').click()")
    assert page.run(ground) == dark


def test_the_keyboard_reaches_everything_in_order_and_focus_is_seen(page):
    seen = []
    for _ in range(30):
        page.press("Tab")
        if page.run("document.activeElement === document.body"):
            break  # past the last one
        seen.append(
            page.run("""(() => { const it = document.activeElement;
          const shown = it.matches("[name=theme]") ? it.nextElementSibling : it;
          return [it.className || it.name || it.textContent, it.getBoundingClientRect().top >= 0,
            getComputedStyle(shown).outlineStyle]; })()""")
        )
    names = [name for name, _, _ in seen]
    assert names[0] == "skip"
    order = ["theme", "choice", "back", "toggle", "on", "scrubber", "speed"]
    assert [name for name in names if name in order] == order
    assert [each for each in seen if not each[1] or each[2] == "none"] == []


@pytest.mark.parametrize("width", [320, 390, 1280])
def test_the_page_is_as_wide_as_the_screen_and_nothing_jumps(tab, written, width):
    tab.open(written, width=width)
    ready(tab)
    tab.press(" ")
    tab.until(f"{SHOWN}.every((film) => !film.paused)")
    assert tab.run("document.documentElement.scrollWidth") <= width
    assert tab.run("""new Promise((resolve) => {
      let sum = 0;
      new PerformanceObserver((list) => {
        for (const entry of list.getEntries()) sum += entry.value;
      }).observe({ type: "layout-shift", buffered: true });
      setTimeout(() => resolve(sum), 300);
    })""") == 0  # fmt: skip


def test_a_film_that_is_gone_does_not_hold_the_others(tab, written):
    film = next(pathlib.Path(written.parent, "media").glob("*.mp4")).with_suffix("")
    hidden = [path.rename(path.with_name(f"{path.name}.gone")) for path in
              film.parent.glob(f"{film.name}.*")]  # fmt: skip
    try:
        tab.open(written)
        tab.until(f"{SHOWN}.filter((film) => film.readyState >= 2).length >= 8")
        tab.press(" ")
        tab.until(f"{SHOWN}.filter((film) => !film.paused).length >= 8")
    finally:
        for path in hidden:
            path.rename(path.with_name(path.name.removesuffix(".gone")))
    assert any("ERR_FILE_NOT_FOUND" in told for told in tab.told)
