"""What a card says beyond the files: data, recipe, limits, licence, citation."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from export.cards.datasets import DATASETS

LIMITS = (
    "The net names one of its classes whatever a picture shows, and its probabilities are not calibrated.",
    "Its accuracy on pictures of another origin than those of its data set is not known.",
)
CITATION = """```bibtex
@article{zagoruyko2017diracnets,
  title   = {DiracNets: Training Very Deep Neural Networks Without Skip-Connections},
  author  = {Zagoruyko, Sergey and Komodakis, Nikos},
  journal = {arXiv preprint arXiv:1706.00388},
  year    = {2017}
}
```"""


def background(description: Mapping[str, Any]) -> list[str]:
    """Return the lines on data and recipe, where they are known, and on limits, licence and citation."""
    lines: list[str] = []
    if (dataset := description.get("dataset")) is not None:
        lines += ["## Data", "", DATASETS[dataset].note if dataset in DATASETS else f"{dataset}.", ""]
    if (recipe := description.get("recipe")) is not None:
        lines += ["## Recipe", "", recipe_text(recipe), ""]
    lines += ["## Limits", "", *(f"- {limit}" for limit in LIMITS), ""]
    if "licence" in description:
        lines += ["## Licence", "", f"{description['licence']}.", ""]
    return [*lines, "## Citation", "", CITATION, ""]


def recipe_text(recipe: Mapping[str, Any]) -> str:
    """Return a recipe in a sentence, all but the net's name."""
    fields = {name: value for name, value in sorted(recipe.items()) if name != "model" and value not in ([], None)}
    told = (f"{name.replace('_', ' ')} {_readable(value)}" for name, value in fields.items())
    return f"SGD on cross-entropy: {', '.join(told)}. Each is a flag of `diracnet train`."


def _readable(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return (
        f"{value:g}"
        if isinstance(value, float)
        else " ".join(map(str, value))
        if isinstance(value, list)
        else str(value)
    )
