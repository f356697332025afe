"""The commands that tell what is known: `list` and `info`."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from zoo.commands.options import AsJson, Model
from zoo.printing import say_json, say_table


def list_nets(
    pattern: Annotated[str, typer.Argument(help="Glob that the names must match, such as 'diracnet18*'.")] = "*",
    as_json: AsJson = False,
) -> None:
    """List the nets with their folded parameter counts and their weights."""
    from zoo.nets.registry import get_spec, list_models
    from zoo.weights.record import get_weight, list_weights

    names = list_models(pattern)
    if not names:
        raise ValueError(f"no net matches {pattern!r}; without a pattern all are listed")

    from zoo.metrics import figure
    from zoo.models import count_parameters

    rows: list[dict[str, Any]] = [
        {"name": name, "parameters": count_parameters(get_spec(name)), "weights": list_weights(name)} for name in names
    ]
    if as_json:
        say_json(rows)
        return
    cells = []
    for row in rows:
        tags = (f"{tag}: {figure('top1', get_weight(row['name'], tag).metrics['top1'])}" for tag in row["weights"])
        cells.append((row["name"], f"{row['parameters']:,}", ", ".join(tags) or "none"))
    say_table(("name", "parameters, folded", "weights: top-1"), cells)


def info(model: Model, as_json: AsJson = False) -> None:
    """Show what is known about a net, and about its weights if you name a tag, a file or a repository."""
    from zoo.commands.arguments import check_model
    from zoo.nets.registry import get_spec
    from zoo.weights.record import all_weights, get_weight
    from zoo.weights.reference import Named, Tagged

    reference = check_model(model)

    from zoo.models import count_parameters
    from zoo.reference import open_model

    facts: dict[str, Any] = {}
    match reference:
        case Named(name):
            record, spec = None, get_spec(name)
        case Tagged(name, tag):
            record = get_weight(name, tag)
            spec = record.spec
        case _:
            checkpoint, record = open_model(model)
            spec, facts = checkpoint.spec, checkpoint.describe()
    facts |= {
        "name": spec.name,
        "spec": spec.to_dict(),
        "smallest picture": spec.min_size,
        "parameters, training form": count_parameters(spec, "dirac"),
        "parameters, folded": count_parameters(spec),
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
        say_json(facts)
        return
    say_table(None, ((key, _readable(value)) for key, value in facts.items() if value not in ({}, None)))


def _readable(value: Any) -> list[str]:
    match value:
        case dict():
            known = ((key, inner) for key, inner in value.items() if inner is not None)
            return [f"{key}: {line}" for key, inner in known for line in _readable(inner)]
        case [dict(), *_]:
            return _readable({str(number): inner for number, inner in enumerate(value, start=1)})
        case list() | tuple():
            parts = [each for inner in value[:10] for each in _readable(inner)]
            return [", ".join(parts) + (f", … ({len(value)})" if len(value) > 10 else "") or "none"]
        case float():
            return [f"{value:.6g}"]
        case bool() | str() | None:
            return [str(value)]
        case _:
            return [f"{value:,}"]
