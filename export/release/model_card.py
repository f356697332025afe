"""`MODEL_CARD.md`: the card of the zoo as a whole, generated from the manifests."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from export.cards.template import fill
from zoo import Weight, count_parameters
from zoo.cards import template as citing
from zoo.cards.wording import again_command, again_note, recipe_text, run_text
from zoo.datasets import find_dataset
from zoo.files import replace_file
from zoo.metrics import figure
from zoo.preprocessing import KINDS
from zoo.weights.record import all_weights

PATH = Path("MODEL_CARD.md")


def zoo_card() -> str:
    """Return the card in Markdown."""
    records = list(all_weights().values())
    ours = [record for record in records if record.folder is not None]
    theirs = [record for record in records if record.folder is None]
    filled = fill(
        "zoo",
        ours="\n".join(map(_row, ours)),
        details="\n\n".join(map(_details, ours)) + "\n",
        theirs="\n".join(row for record in theirs for row in _sources(record)),
        data="\n".join(
            f"- **{name}**: {find_dataset(name).note}" for name in dict.fromkeys(record.dataset for record in records)
        ),
        limits=citing.fill("limits", calibration=""),
        citation=citing.fill("citation"),
    )
    return f"{filled}\n"


def check_zoo_card(path: Path = PATH) -> None:
    """Raise ValueError unless a file equals the card that would be generated now."""
    if not path.is_file() or path.read_text(encoding="utf-8") != zoo_card():
        raise ValueError(f"{path} is out of date; run `diracnet model-card`")


def write_zoo_card(path: Path = PATH) -> None:
    """Write the card to a file."""
    with replace_file(path) as temporary:
        temporary.write_text(zoo_card(), encoding="utf-8")


def _row(record: Weight) -> str:
    page = (
        f"[{record.repository}](https://huggingface.co/{record.repository})" if record.repository else "not published"
    )
    cells: Sequence[object] = (
        f"`{record.model}`",
        f"`{record.tag}`",
        record.dataset,
        _figure(record.metrics, "top1"),
        _figure(record.metrics, "top5"),
        f"{count_parameters(record.spec):,}",
        f"{record.files['folded'].size:,}",
        page,
    )
    return f"| {' | '.join(map(str, cells))} |"


def _sources(record: Weight) -> Iterator[str]:
    """Yield a row for each address of weights of others, in the order in which they are tried."""
    for source in record.files["folded"].sources:
        top1, top5 = (_figure(source.metrics, name) for name in ("top1", "top5"))
        net = (f"`{record.model}`", f"`{record.tag}`", record.dataset)
        cells = (*net, top1, top5, source.resize_backend, source.url, record.licence)
        yield f"| {' | '.join(cells)} |"


def _figure(metrics: Mapping[str, float], name: str) -> str:
    return figure(name, metrics[name]) if name in metrics else "–"


def _details(record: Weight) -> str:
    reference, size = f"{record.model}:{record.tag}", record.preprocessing.size
    again = f"`{again_command(reference, record.dataset)}`. {again_note(reference, record.provenance)}"
    lines = [
        f"- Pictures: {size}×{size} pixels, {KINDS[record.spec.in_channels]}; {len(record.labels)} classes.",
        f"- {recipe_text(record.recipe, record.provenance)}",
        f"- To train it again: {again}".rstrip(),
        f"- {run_text(record.provenance)}.",
        *(f"- sha256, {form} form: `{digest}`" for form, digest in sorted(record.digests.items())),
        *_beyond(record),
        f"- Licence: {record.licence}.",
    ]
    return "\n".join((f"### {reference}", "", *lines))


def _beyond(record: Weight) -> Iterator[str]:
    """Yield the lines on calibration and on corrupted pictures, if the manifest has these figures."""
    if not record.figures:
        return
    errors, top1s = [], []
    for precision in ("fp32", "int8"):
        found = record.figures[precision]
        before, after = found["calibration_error"], found["calibration_error_with_temperature"]
        errors.append(f"{before:.2f}% → {after:.2f}% in {precision}")
        top1s.append(f"{found['corrupted_top1']:.2f}% in {precision} ({found['uncorrupted_top1']:.2f}% untouched)")
    tested, corrupted = record.figures["test_pictures"], record.figures["corrupted_pictures"]
    yield (
        f"- Calibration error before and after a temperature: {', '.join(errors)}. Measured on {tested:,} test "
        f"pictures, each half with the temperature fitted on the other. The shipped temperature is "
        f"{record.temperature:g}, fitted on all of them."
    )
    yield (
        f"- Top-1 under fifteen corruptions, mean of severities 1, 3 and 5: {', '.join(top1s)}, on the same "
        f"{corrupted:,} test pictures. [docs/figures.md](docs/figures.md) has all of this in detail."
    )
