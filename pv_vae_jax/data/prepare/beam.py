"""The same preparation as an Apache Beam pipeline, for a fleet of machines.

    files -> (sha256, file) -> grouped: of copies the first -> records and report of each
    bytes of all records of a split -> number of shards                                   (1)
    (split, shard) of each record -> grouped -> one shard file each
    reports, shards -> manifest, counts, index

Units, shards and their order are those of data/prepare/assemble.py, so the folder holds the bytes
that ``run.prepare`` makes on one machine.  Sources and ``out`` are paths that every worker sees,
or URLs.
Beam starts failed work again by itself; an interrupted pipeline starts anew.
"""

import json
import pathlib
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from pv_vae_jax.core import storage
from pv_vae_jax.data import shard_index
from pv_vae_jax.data.clips import ClipError
from pv_vae_jax.data.prepare import assemble, cuts, items, originals, pieces, unit, work

Entry = tuple[str, int, bytes]  # key, frames and bytes of a record


def _beam():
    try:
        import apache_beam
    except ImportError as error:
        raise ValueError(
            "--beam needs Apache Beam, which is not installed: "
            "pip install -c constraints-beam.txt -e .[prepare,beam]"
        ) from error
    return apache_beam


def _digest(numbered: tuple[int, items.Item]) -> tuple[str, tuple[int, items.Item]]:
    """A source with its content; one that cannot be read is alone."""
    number, item = numbered
    try:
        return originals.opened(item).digest, numbered
    except (OSError, ClipError):
        return f"unreadable {number}", numbered


def _in_order(copies: tuple[str, Iterable[tuple[int, items.Item]]]) -> list[tuple[int, items.Item]]:
    return sorted(copies[1], key=lambda numbered: numbered[0])


def _made(copies: list[tuple[int, items.Item]], rules: pieces.Rules) -> Iterator[tuple]:
    """Reports ("report", (number, report)) and records ("record", (split, entry))."""
    reports = []
    for number, item in copies:
        with tempfile.TemporaryDirectory() as folder:
            path = pathlib.Path(folder, "records")
            report = unit.make(item, rules, path)
            kept = assemble.without_copies([*reports, report])[-1]
            reports.append(kept)
            with unit.reader(path) as read:
                for entry in kept.records:
                    split = report.split_of(entry)
                    yield "record", (split, (entry["key"], entry["frames"], read(entry)))
        yield "report", (number, kept)


def _placed(
    record: tuple[str, Entry], sizes: dict[str, int], rules: pieces.Rules
) -> tuple[tuple[str, int, int], Entry]:
    split, entry = record
    count = assemble.count_of(sizes.get(split, 0), rules)
    return (split, assemble.shard_of(entry[0], count), count), entry


def _write(
    shard: tuple[tuple[str, int, int], Iterable[Entry]], out: str
) -> tuple[str, dict[str, Any]]:
    (split, number, count), entries = shard
    entries = sorted(entries, key=lambda entry: assemble.place_in_shard(entry[0]))
    path = assemble.folder_of(out) / assemble.name_of(split, number, count)
    described = assemble.write_shard(path, (data for _, _, data in entries))
    return split, {**described, "records": [frames for _, frames, _ in entries]}


def _empty(
    split: str, sizes: dict[str, int], rules: pieces.Rules, written: Iterable[tuple[str, dict]]
) -> list[tuple[tuple[str, int, int], list]]:
    """The shards of a split into which no record fell."""
    count = assemble.count_of(sizes.get(split, 0), rules)
    names = {shard["name"] for _, shard in written}
    return [
        ((split, number, count), [])
        for number in range(count)
        if assemble.name_of(split, number, count) not in names
    ]


def _finish(
    _: None,
    reports: list[tuple[int, unit.Report]],
    written: list[tuple[str, dict[str, Any]]],
    sizes: dict[str, int],
    out: str,
    rules: pieces.Rules,
    prepared: dict[str, Any],
) -> None:
    for split in shard_index.SPLITS:
        written = [*written, *(_write(s, out) for s in _empty(split, sizes, rules, written))]
    shards = {
        split: sorted((s for of, s in written if of == split), key=lambda shard: shard["name"])
        for split in shard_index.SPLITS
    }
    in_order = [report for _, report in sorted(reports, key=lambda numbered: numbered[0])]
    assemble.finish(assemble.folder_of(out), shards, in_order, prepared)


def prepare(
    sources: Sequence[items.Item],
    out: str,
    rules: pieces.Rules,
    arguments: Sequence[str] = (),
) -> dict[str, Any]:
    """Runs the pipeline to its end; returns the counts.

    Args:
      sources: in order; of copies the first is used.
      out: the folder, which must not hold another preparation.
      rules: see ``pieces.Rules``.
      arguments: of Beam, such as ``--runner=DirectRunner``.

    Raises:
      ValueError: Beam or PySceneDetect is not installed, or the folder holds something else.
      FileNotFoundError: no source can be used; the message lists the reasons.
    """
    beam = _beam()
    from apache_beam.options import pipeline_options

    cuts.check()
    folder = assemble.folder_of(out)
    storage.make_folder(folder)
    request = work.prepared(rules, sources)
    if storage.exists(folder / shard_index.NAME):
        work.refuse_other(folder, shard_index.read(folder)["prepared"], request)
        return assemble.counts_in(folder)
    options = pipeline_options.PipelineOptions(list(arguments), save_main_session=False)
    with beam.Pipeline(options=options) as pipeline:
        made = (
            pipeline
            | "sources" >> beam.Create(list(enumerate(sources)))
            | "spread" >> beam.Reshuffle()
            | "content" >> beam.Map(_digest)
            | "copies" >> beam.GroupByKey()
            | "in order" >> beam.Map(_in_order)
            | "make" >> beam.FlatMap(_made, rules=rules)
        )
        of = {
            kind: made
            | f"only {kind}s" >> beam.Filter(lambda pair, kind=kind: pair[0] == kind)
            | f"each {kind}" >> beam.Map(lambda pair: pair[1])
            for kind in ("record", "report")
        }
        sizes = beam.pvalue.AsDict(
            of["record"]
            | "bytes" >> beam.MapTuple(lambda split, entry: (split, len(entry[2])))
            | "total" >> beam.CombinePerKey(sum)
        )
        written = (
            of["record"]
            | "place" >> beam.Map(_placed, sizes=sizes, rules=rules)
            | "shards" >> beam.GroupByKey()
            | "write" >> beam.Map(_write, out=str(folder))
        )
        _ = (
            pipeline
            | "once" >> beam.Create([None])
            | "index"
            >> beam.Map(
                _finish,
                reports=beam.pvalue.AsList(of["report"]),
                written=beam.pvalue.AsList(written),
                sizes=sizes,
                out=str(folder),
                rules=rules,
                prepared=request,
            )
        )
    lines = storage.read(folder / assemble.MANIFEST).decode().split("\n")
    try:
        assemble.refuse_none([unit.Report(**json.loads(line)) for line in lines if line])
    except FileNotFoundError:
        (folder / shard_index.NAME).unlink()
        raise
    return assemble.counts_in(folder)
