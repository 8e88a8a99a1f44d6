import errno
import json
import os
import pathlib
import subprocess
import sys
import textwrap

import pytest

from pv_vae_jax.core import locks
from pv_vae_jax.study import grid, running
from pv_vae_jax.study.plan import Cell, Measure, Study
from pv_vae_jax.study.step import Step, own

ROOT = pathlib.Path(__file__).parents[2]
MEASURES = {"figure": Measure("figure", "score", "score.json", ("value",))}

# A door that joins its inputs, writes down that it ran, and waits, stops or fails if it is told so.
DOOR = """
import os, pathlib, signal, sys, time
out, *inputs = sys.argv[1:]
signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
pathlib.Path("ran.txt").open("a").write(pathlib.Path(out).parent.name + "\\n")
if "cores" in inputs:
    inputs = [",".join(map(str, sorted(os.sched_getaffinity(0))))]
words = [pathlib.Path(i).read_text() if "/" in i else i for i in inputs]
if "fail" in words:
    sys.exit("the door fails")
if "wait" in words and not pathlib.Path("go").exists():
    time.sleep(60)
pathlib.Path(out).write_text("+".join(words))
"""


@pytest.fixture
def place(tmp_path, monkeypatch):
    """A folder whose package ``launch`` has the door ``join``."""
    (tmp_path / "launch").mkdir()
    (tmp_path / "launch" / "join.py").write_text(textwrap.dedent(DOOR))
    monkeypatch.chdir(tmp_path)
    return tmp_path


def step(kind, *inputs):
    return Step(kind, "join", (own("out"), *inputs), "out")


def run(study, place, jobs=1, tick=lambda now: None):
    log = []
    shares = running.cores_of(jobs)
    lost = running.run(
        study,
        place / "root",
        shares,
        lambda s: log.append(s.kind),
        lambda s, t: log.append(t),
        tick,
    )
    return [s.kind for s in lost], log


def study(*cells):
    return Study("s", "f", "?", cells, MEASURES, cells[0].variant)


def ran(place):
    path = place / "ran.txt"
    return path.read_text().split() if path.exists() else []


def test_each_step_runs_once_after_what_it_needs(place):
    shared = step("a", "1")
    one = step("b", shared.file("out"), "2")
    other = step("c", shared.file("out"), one.file("out"))
    lost, log = run(study(Cell("x", 0, (one,)), Cell("y", 0, (other,))), place, jobs=2)
    assert (lost, log) == ([], ["a", "b", "c"])
    assert (place / "root" / other.folder / "out").read_text() == "1+1+2"
    assert ran(place) == [shared.folder, one.folder, other.folder]


def test_what_is_done_is_not_run_again(place):
    whole = study(Cell("x", 0, (step("a", "1"),)))
    run(whole, place)
    assert run(whole, place) == ([], [])
    assert len(ran(place)) == 1


def test_a_failed_step_ends_only_the_cells_that_need_it(place):
    bad = step("bad", "fail")
    good = step("good", "1")
    lost, log = run(
        study(Cell("x", 0, (step("after", bad.file("out")),)), Cell("y", 0, (good,))), place
    )
    assert lost == ["bad"]
    assert "the door fails" in log[0] and log[1] == "good"
    assert not (place / "root" / step("after", bad.file("out")).folder).exists()


def test_a_stopped_study_stops_its_doors_and_goes_on_with_what_is_missing(place):
    first, second = step("a", "1"), step("b", "wait")
    whole = study(Cell("x", 0, (first, second)))

    def interrupt(now):
        if now[0].kind == "b" and second.folder in ran(place):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run(whole, place, tick=interrupt)
    # The door ended with exit code 0 without its file: that is no end.
    assert running.done(place / "root", second) is None
    spent = float((place / "root" / second.folder / running.SPENT).read_text())
    (place / "go").touch()
    assert run(whole, place) == ([], ["b"])
    assert ran(place) == [first.folder, second.folder, second.folder]
    assert running.done(place / "root", second)["seconds"] >= spent > 0


def test_a_step_that_another_study_makes_is_waited_for(place):
    mine, theirs = step("a", "1"), step("b", "2")
    whole = study(Cell("x", 0, (mine, theirs)))
    lock = [running.locked(place / "root", theirs)]

    def tick(now):
        if not now and lock:  # nothing else is left to do: the other study ends
            folder = place / "root" / theirs.folder
            (folder / running.DONE).write_text(json.dumps({"seconds": 1.0, "kind": "b"}))
            os.close(lock.pop())

    assert run(whole, place, jobs=2, tick=tick) == ([], ["a", "b"])
    assert ran(place) == [mine.folder]


def test_two_studies_of_one_root_run_each_step_once(place):
    """In two processes: a step is another's until its end is written down."""
    chain = [step("k0", "1")]
    for n in range(1, 8):
        chain.append(step(f"k{n}", chain[-1].file("out")))
    program = f"""
import pathlib, sys
sys.path.insert(0, {str(ROOT)!r})
from pv_vae_jax.study import running
from tests.study.test_running import Cell, step, study
chain = [step("k0", "1")]
for n in range(1, 8):
    chain.append(step(f"k{{n}}", chain[-1].file("out")))
whole = study(Cell("x", 0, (chain[-1],)))
running.run(whole, pathlib.Path("root"), [[]], lambda s: None, print, lambda now: None)
"""
    both = [subprocess.Popen([sys.executable, "-c", program]) for _ in range(2)]
    assert [process.wait(60) for process in both] == [0, 0]
    assert sorted(ran(place)) == sorted(each.folder for each in chain)


def test_a_file_system_without_locks_is_as_if_it_were_free(place, monkeypatch):
    def nothing(*_):
        raise OSError(errno.ENOSYS, "Function not implemented")

    monkeypatch.setattr(locks.fcntl, "flock", nothing)
    assert run(study(Cell("x", 0, (step("a", "1"),))), place) == ([], ["a"])


def test_a_process_that_outlives_its_study_keeps_its_step(place):
    waiting = step("a", "wait")
    root = place / "root"
    left_behind = running.Running(root, waiting, [], running.locked(root, waiting))
    assert running.locked(root, waiting) is None
    left_behind.ask_to_stop()
    left_behind.stop()
    lock = running.locked(root, waiting)
    assert lock is not None
    os.close(lock)


def test_a_door_that_ends_without_its_file_has_failed(place):
    quiet = Step("quiet", "join", (own("elsewhere"),), "out")
    assert run(study(Cell("x", 0, (quiet,))), place)[0] == ["quiet"]


def test_jobs_have_cores_of_their_own(monkeypatch):
    monkeypatch.setattr(running.os, "sched_getaffinity", lambda _: {0, 1, 2, 3, 4}, raising=False)
    assert running.cores_of(2) == [[0, 2, 4], [1, 3]]
    assert running.cores_of(1) == [[0, 1, 2, 3, 4]]
    assert running.cores_of(8) == [[]] * 8
    with pytest.raises(ValueError, match="--jobs is at least 1"):
        running.cores_of(0)


@pytest.mark.skipif(not hasattr(os, "sched_getaffinity"), reason="the system has no say in cores")
def test_a_door_runs_on_the_cores_of_its_job(place):
    step_ = step("where", "cores")
    core = min(os.sched_getaffinity(0))
    whole = study(Cell("x", 0, (step_,)))
    root = place / "root"
    assert not running.run(whole, root, [[core]], lambda s: None, print, lambda now: None)
    assert (root / step_.folder / "out").read_text() == str(core)


def test_the_grid_tells_each_cell_and_the_time_left(place):
    first = step("a", "1")
    whole = study(
        Cell("x", 0, (first, step("b", "fail"))),
        Cell("x", 1, (step("c", "2"),)),
        Cell("y", 1, (first,)),
    )
    root = pathlib.Path("root")
    assert grid.seconds_left(whole, root, 1) is None
    run(whole, place)
    text = grid.text(whole, root, kept={"x/1"}, lost=[step("b", "fail")])
    assert text.splitlines() == [
        "   seed 0    seed 1",
        "x  failed b  done",
        "y            1/1",
    ]
    took = [running.done(root, s)["seconds"] for s in (first, step("c", "2"))]
    assert grid.seconds_left(whole, root, 2) == pytest.approx(sum(took) / 2 / 2)
    assert [grid.clock(s) for s in (None, 59, 3700)] == ["?", "0:01", "1:02"]
