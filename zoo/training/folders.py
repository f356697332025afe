"""A data set in folders, HALF/CLASS/PICTURE, and the warnings about what is passed over."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from pixels import PassedOver, is_folder, is_hidden, pictures_below

HALVES = {"train": ("train",), "test": ("test", "val")}
"""The folders that may hold each half of a data set; if there are several, the first is used."""
IMAGENET_HALVES = {"train": "train", "test": "val"}
"""The same for ImageNet, whose test pictures without labels nobody can measure on."""
IMAGENET_ARCHIVE = "ILSVRC2012_img_{}.tar"
"""What a half of ImageNet is made of."""

_log = logging.getLogger(__name__)


def half_folder(folder: Path, half: str, remedy: str) -> Path:
    """Return the folder of a half of a data set; `remedy` tells users what a data set looks like.

    Raises:
        FileNotFoundError: there is no data set here.
        ValueError: the data set lacks this half.
    """
    if not folder.is_dir():
        raise FileNotFoundError(
            f"{folder} is a file, not a folder; {remedy}"
            if folder.exists()
            else f"there is no folder {folder}; {remedy}"
        )
    found = [folder / name for name in HALVES[half] if (folder / name).is_dir()]
    if not found:
        there = sorted(entry.name for entry in folder.iterdir() if entry.is_dir() and not is_hidden(entry.name))
        names = f"it has {', '.join(there[:5])}{', …' if len(there) > 5 else ''}" if there else "it has no folders"
        raise ValueError(f"{folder} has no folder {' or '.join(HALVES[half])} ({names}); {remedy}")
    return found[0]


def imagenet_folder(folder: Path, half: str) -> Path:
    """Return the folder of a half of ImageNet; it need not be there if the archive is that it is made of.

    Raises:
        FileNotFoundError: neither is there.
    """
    name = IMAGENET_HALVES[half]
    if not (folder / name).is_dir() and not (folder / IMAGENET_ARCHIVE.format(name)).is_file():
        there = "" if folder.is_dir() else f"there is no folder {folder}; "
        raise FileNotFoundError(f"{there}ImageNet is looked for in {folder / name}: {imagenet_layout(name)}")
    return folder / name


def imagenet_layout(name: str) -> str:
    """Tell, in a sentence for error messages, how a folder with a half of ImageNet, train or val, has to look."""
    return (
        f"each picture belongs in the folder of its class, {name}/WNID/PICTURE, with 1,000 folders such as n01440764. "
        f"Where {name}/ is not there, it is made of {IMAGENET_ARCHIVE.format(name)}"
        + (" and ILSVRC2012_devkit_t12.tar.gz" if name == "val" else "")
    )


def labelled_pictures(folder: Path) -> tuple[list[Path], list[int], tuple[str, ...]]:
    """Return the pictures below CLASS/ folders, the index of each one's class, and the names of the classes in order.

    `pixels.pictures_below` decides which files are pictures; a class folder without pictures does not count as a class.
    Whatever is passed over is logged as a warning, once per folder.

    Raises:
        ValueError: there are no classes, or a folder may not be read.
    """
    passed_over = PassedOver()
    paths: list[Path] = []
    targets: list[int] = []
    classes: list[str] = []
    for entry in sorted(os.scandir(folder), key=lambda entry: entry.name):
        if is_hidden(entry.name):
            passed_over["hidden"] += 1
        elif not is_folder(entry):
            passed_over["beside the folders of the classes"] += 1
        elif below := sorted(
            pictures_below(Path(entry.path), passed_over), key=lambda path: (str(path.parent), path.name)
        ):
            paths += below
            targets += [len(classes)] * len(below)
            classes.append(entry.name)
        else:
            passed_over[f"class folder without pictures ({entry.name})"] += 1
    if passed_over:
        _log.warning("%s: passed over: %s", folder, passed_over)
    if not classes:
        raise ValueError(f"{folder} has no pictures in folders named after their classes, such as {folder}/cat/1.jpg")
    return paths, targets, tuple(classes)


def read_all(count: int, use: Callable[[int], object]) -> dict[int, str]:
    """Call `use` with the index of each picture, several at a time; return by index what it says about damaged ones."""

    def attempt(index: int) -> str | None:
        try:
            use(index)
        except (ValueError, FileNotFoundError) as error:
            return str(error)
        return None

    with ThreadPoolExecutor(os.cpu_count() or 1) as pool:
        return {index: text for index, text in enumerate(pool.map(attempt, range(count))) if text is not None}
