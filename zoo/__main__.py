"""The zoo's commands: `python -m zoo`, and part of `diracnet`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.table import Table
from rich.text import Text

import zoo
from zoo.command_line import run
from zoo.commands.evaluate import evaluate
from zoo.commands.options import AsJson, Model, console
from zoo.commands.train import train
from zoo.metrics import figure
from zoo.reference import open_model
from zoo.weights.record import all_weights
from zoo.weights.reference import Named, Tagged, parse_reference
from zoo.weights.upstream import read_upstream

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_show_locals=False,  # the Hub's client keeps the token in some
    help=zoo.__doc__,
)


@app.command("list")
def list_(
    pattern: Annotated[str, typer.Argument(help="Glob that the names must match, such as 'diracnet18*'.")] = "*",
    as_json: AsJson = False,
) -> None:
    """List the nets with their folded parameter counts and their weights."""
    rows: list[dict[str, Any]] = [
        {"name": name, "parameters": zoo.count_parameters(zoo.get_spec(name)), "weights": zoo.list_weights(name)}
        for name in zoo.list_models(pattern)
    ]
    if not rows:
        raise ValueError(f"no net matches {pattern!r}; without a pattern all are listed")
    if as_json:
        print(json.dumps(rows, indent=2))
        return
    table = Table("name", "parameters, folded", "weights: top-1")
    for row in rows:
        tags = (f"{tag}: {figure('top1', zoo.get_weight(row['name'], tag).metrics['top1'])}" for tag in row["weights"])
        table.add_row(row["name"], f"{row['parameters']:,}", ", ".join(tags) or "none")
    console.print(table)


@app.command()
def info(model: Model, as_json: AsJson = False) -> None:
    """Show what is known about a net, and about its weights if you name a tag, a file or a repository."""
    facts: dict[str, Any] = {}
    match parse_reference(model):
        case Named(name):
            record, spec = None, zoo.get_spec(name)
        case Tagged(name, tag):
            record = zoo.get_weight(name, tag)
            spec = record.spec
        case _:
            checkpoint, record = open_model(model)
            spec, facts = checkpoint.spec, checkpoint.describe()
    facts |= {
        "name": spec.name,
        "spec": spec.to_dict(),
        "smallest picture": spec.min_size,
        "parameters, training form": zoo.count_parameters(spec, "dirac"),
        "parameters, folded": zoo.count_parameters(spec),
        "known weights": [tag for name, tag in all_weights() if name == spec.name],
    }
    if record:
        manifest = record.to_manifest()
        published = f"{record.repository}@{record.revision}" if record.repository else "not on the Hub"
        facts |= {
            "weights": record.tag,
            "published": published,
            **{key: manifest[key] for key in manifest if key not in ("model", "tag")},
        }
    if as_json:
        print(json.dumps(facts, indent=2, ensure_ascii=False))
        return
    table = Table(show_header=False)
    for key, value in facts.items():
        if value not in ({}, None):
            table.add_row(key, Text(_readable(value)))
    console.print(table)


def _readable(value: Any) -> str:
    match value:
        case dict():
            known = ((key, inner) for key, inner in value.items() if inner is not None)
            lines = (f"{key}: {line}" for key, inner in known for line in _readable(inner).splitlines())
            return "\n".join(lines)
        case list() | tuple():
            return ", ".join(map(_readable, value[:10])) + (f", … ({len(value)})" if len(value) > 10 else "") or "none"
        case float():
            return f"{value:.6g}"
        case bool() | str() | None:
            return str(value)
        case _:
            return f"{value:,}"


@app.command("import-upstream")
def import_upstream(
    file: Annotated[Path, typer.Argument(help="A .pth or .safetensors file written by the original code.")],
    out: Annotated[Path, typer.Option(help="The safetensors file to write.")],
    final_relu: Annotated[
        bool | None,
        typer.Option(help="Whether the net has a ReLU before its average pool, which the file does not say."),
    ] = None,
) -> None:
    """Convert weights of the original code (2017–18) to a checkpoint file."""
    if out.exists():
        raise ValueError(f"{out} exists already; remove it, or name another file")
    checkpoint = read_upstream(file, final_relu)
    checkpoint.save(out)
    print(f"{out}: {checkpoint.spec.name}, {checkpoint.form} form")


app.command()(evaluate)
app.command("train")(train)


def main() -> None:
    """Run the zoo's commands."""
    run(app)


if __name__ == "__main__":
    main()
