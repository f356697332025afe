"""Reports in docs/: Markdown pages made from recorded JSON and from nothing else."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from zoo.files import read_json, replace_file, write_json


def write_report(
    record: Path,
    result: Mapping[str, Any],
    page: Callable[[Mapping[str, Any]], str],
    needed: Collection[str] = (),
) -> bool:
    """Write figures as JSON, and the page of the same name from that file as it is read back.

    Args:
        record: the JSON file; the page's name ends in `.md` instead.
        result: all figures.
        page: returns the Markdown of a result.
        needed: keys without which there is no page.

    Returns:
        Whether the page was written.
    """
    write_json(record, result)
    missing = [key for key in needed if key not in result]
    if missing:
        print(f"{record} written; its page needs {', '.join(missing)} too: measure them")
    else:
        write_page(record.with_suffix(".md"), page(read_json(record)))
        print(f"{record} and {record.with_suffix('.md')} written")
    return not missing


def write_page(path: Path, text: str) -> None:
    """Write a text file, whole or not at all."""
    with replace_file(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def fill(template: Path, values: Mapping[str, Any]) -> str:
    """Return a Markdown template with its fields filled in.

    Fields are those of `str.format`: `{speed[median]:.2f}` is a recorded figure, `{bars_table}` a text made by code.

    Raises:
        KeyError: the template names a value that is not given.

    Example:
        >>> fill(Path("page.md"), {"speed": {"median": 3.43}})
    """
    return template.read_text(encoding="utf-8").format_map(values)


def table(columns: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """Return a Markdown table without a line break at its end.

    Example:
        >>> print(table(["net", "ms"], [["DiracNet-18", 17.3]]))
        | net | ms |
        |---|---|
        | DiracNet-18 | 17.3 |
    """
    lines = [" | ".join(columns), *(" | ".join(map(str, row)) for row in rows)]
    head, *body = (f"| {line} |" for line in lines)
    return "\n".join([head, "|---" * len(columns) + "|", *body])


def spread(found: Mapping[str, Any], digits: int = 2) -> str:
    """Return a median with its quartiles: "0.98 (0.94 – 0.99)"."""
    low, median, high = (f"{found[key]:.{digits}f}" for key in ("low", "median", "high"))
    return f"{median} ({low} – {high})"


def vnni(measured: Mapping[str, Any]) -> str:
    """Return whether figures were measured on a processor with VNNI: "with VNNI" or "without VNNI"."""
    # Figures recorded before `vnni` was recorded all come from machines that have it.
    return f"{'with' if measured.get('vnni', True) else 'without'} VNNI"


def versions(measured: Mapping[str, Any]) -> str:
    """Return the versions that figures were measured with: "numpy 2.4.6, onnx 1.23.2"."""
    return ", ".join(f"{name} {number}" for name, number in measured["versions"].items())
