"""docs/paper.md, written from the kept logs and the shipped checkpoints, and from nothing else."""
from pathlib import Path
def write_page(docs: Path) -> None:
    """Write the page and its plots."""
