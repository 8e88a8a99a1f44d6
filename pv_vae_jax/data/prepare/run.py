"""Prepares a folder of shards on the cores of one machine; a killed run goes on.

    every source -> its records (data/prepare/unit.py), in any order, by any number of processes
    all of them  -> shards (data/prepare/assemble.py), in any order
    at last      -> manifest, counts, index

Each part is kept when it is whole (data/prepare/work.py), so the same command does what is left
and ends with the same bytes.  The parts need as much room as the shards until the end.
"""

import concurrent.futures
import multiprocessing
import multiprocessing.connection
import os
import threading
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

import cv2
import tqdm

from pv_vae_jax.core import storage
from pv_vae_jax.data import shard_index
from pv_vae_jax.data.prepare import assemble, cuts, items, pieces, unit
from pv_vae_jax.data.prepare.work import Work, prepared, refuse_other

Places = list[tuple[int, dict[str, Any]]]  # of the records of a shard: source, entry of its report


def _end_with_parent() -> None:
    """A worker ends when the process that started it is gone, killed or not."""
    cv2.setNumThreads(1)
    parent = multiprocessing.parent_process()

    def watch() -> None:
        multiprocessing.connection.wait([parent.sentinel])
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()


def _each(function: Callable, tasks: Sequence[tuple], workers: int) -> Iterator[tuple]:
    """Calls ``function(*task)`` for all tasks; yields each task when it is done."""
    if workers <= 1:
        for task in tasks:
            function(*task)
            yield task
        return
    with concurrent.futures.ProcessPoolExecutor(
        workers, multiprocessing.get_context("spawn"), _end_with_parent
    ) as pool:
        under_way = {pool.submit(function, *task): task for task in tasks}
        try:
            for future in concurrent.futures.as_completed(under_way):
                future.result()
                yield under_way[future]
        except concurrent.futures.process.BrokenProcessPool as error:
            raise ValueError(
                "a worker was killed (too little memory, or a file that breaks its decoder); the "
                "same command goes on, with fewer --workers it needs less memory."
            ) from error
        finally:
            pool.shutdown(cancel_futures=True)


def _shown(
    done: Iterable[tuple], sizes: Sequence[int], total: int, what: str, progress: bool
) -> None:
    """Runs through what is done with a bar in bytes, which tells the time that is left."""
    with tqdm.tqdm(
        desc=what, total=total, unit="B", unit_scale=True, disable=not progress, delay=1.0
    ) as bar:
        for number, *_ in done:
            bar.update(sizes[number])


def planned(reports: list[unit.Report], rules: pieces.Rules) -> dict[str, list[Places]]:
    """By split, the records of each shard in order (data/prepare/assemble.py, equation 2)."""
    of_split: dict[str, Places] = {split: [] for split in shard_index.SPLITS}
    for number, report in enumerate(reports):
        for entry in report.records:
            of_split[report.split_of(entry)].append((number, entry))
    plan = {}
    for split, places in of_split.items():
        count = assemble.count_of(sum(entry["bytes"] for _, entry in places), rules)
        of_shard = defaultdict(list)
        for place in sorted(places, key=lambda place: assemble.place_in_shard(place[1]["key"])):
            of_shard[assemble.shard_of(place[1]["key"], count)].append(place)
        plan[split] = [of_shard[shard] for shard in range(count)]
    return plan


def _write_shard(number: int, work: Work, name: str, places: Places) -> None:
    """Copies the records of a shard from the parts; number is that of the shard."""

    def data() -> Iterator[bytes]:
        for source, entry in places:
            with unit.reader(work.records(source)) as read:
                yield read(entry)

    work.shard_done(name, assemble.write_shard(work.out / name, data()))


def _make(number: int, work: Work, item: items.Item, rules: pieces.Rules) -> None:
    work.make(number, item, rules)


def prepare(
    sources: Iterable[items.Item],
    out: str | os.PathLike,
    rules: pieces.Rules,
    workers: int = 1,
    progress: bool = True,
) -> dict[str, Any]:
    """Prepares the shards of ``sources`` in the folder ``out``; returns the counts.

    Args:
      sources: in order; of copies the first is used.
      out: the folder, or its URL; one that was begun with the same sources and rules goes on.
      rules: see ``pieces.Rules``.
      workers: processes; their number changes no byte.
      progress: shows a bar.

    Raises:
      ValueError: the folder holds something else, another process prepares into it, a worker was
        killed, or PySceneDetect is not installed.
      FileNotFoundError: no source can be used; the message lists the reasons.
      OSError: the folder cannot be written, or sources cannot be read for reasons that may pass.
    """
    cuts.check()
    sources, out = list(sources), assemble.folder_of(out)
    work, sizes = Work(out), [item.stamp[0] for item in sources]
    request = prepared(rules, sources)
    with work.locked():
        if storage.exists(out / shard_index.NAME):
            refuse_other(out, shard_index.read(out)["prepared"], request)
            work.remove()
            return assemble.counts_in(out)
        work.begin(request, sources)
        left = [n for n in range(len(sources)) if work.report(n) is None]
        tasks = [(n, work, sources[n], rules) for n in left]
        total = sum(sizes[n] for n in left)
        _shown(_each(_make, tasks, workers), sizes, total, "sources", progress)
        work.check_readable()
        reports = assemble.without_copies([work.report(n) for n in range(len(sources))])
        try:
            assemble.refuse_none(reports)
        except FileNotFoundError:
            work.remove()
            raise
        plan = planned(reports, rules)
        shards = _write_shards(work, plan, workers, progress)
        counts = assemble.finish(out, shards, reports, request)
        work.remove()
    return counts


def _write_shards(
    work: Work, plan: dict[str, list[Places]], workers: int, progress: bool
) -> dict[str, list[dict[str, Any]]]:
    named = [
        (split, assemble.name_of(split, shard, len(shards)), places)
        for split, shards in plan.items()
        for shard, places in enumerate(shards)
    ]
    sizes = [sum(entry["bytes"] for _, entry in places) for *_, places in named]
    tasks = [
        (number, work, name, places)
        for number, (_, name, places) in enumerate(named)
        if work.shard(name) is None
    ]
    total = sum(sizes[number] for number, *_ in tasks)
    _shown(_each(_write_shard, tasks, workers), sizes, total, "shards", progress)
    shards: dict[str, list[dict[str, Any]]] = {split: [] for split in plan}
    for split, name, places in named:
        frames = [entry["frames"] for _, entry in places]
        shards[split].append({**work.shard(name), "records": frames})
    return shards
