"""A training run on disk: the request, the state to resume from, the log, the result. Files are replaced whole."""

from __future__ import annotations

import errno
import io
import json
import pickle
import shutil
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import torch

from zoo.files import read_json, replace_file, write_json
from zoo.layout import RESULT, RUN, WEIGHTS, is_left_behind
from zoo.training.lock import LockedError, locked
from zoo.training.recipes import Recipe

_REFUSED = (errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOENT)
"""Errors that room on the disk does not mend."""
_REQUESTED = {"recipe", "seed", "net", "spec", "data"}
"""Keys of `run.json` by which a run is known."""


class RunFolder:
    """The folder of one run.

    `run.json` holds recipe, seed and data; `state.pt` everything needed to resume; `metrics.jsonl` a line per epoch;
    at the end `model.safetensors` the weights, `curves.png` plots of the log and `result.json` the figures. The
    empty `.lock` keeps a second process out.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.model = path / WEIGHTS
        self.result = path / RESULT
        self.metrics = path / "metrics.jsonl"
        self.curves = path / "curves.png"
        self.request = path / RUN
        self._state = path / "state.pt"
        self._files = (self.result, self.model, self._state, self.metrics, self.curves, self.request)
        self.events = path / "tensorboard"
        self._lock = path / ".lock"

    @contextmanager
    def lock(self, on_note: Callable[[str], None]) -> Iterator[None]:
        """Create the folder if need be, and keep other processes from training in it during a block.

        Args:
            on_note: called if the file system has no locks, so that the folder cannot be protected.

        Raises:
            ValueError: another process trains there, or the folder holds something else.
        """
        if self.path.exists() and not self.path.is_dir():
            raise ValueError(f"{self.path} is a file; name a folder for the run")
        if not self.request.exists() and self.path.exists() and self._holds_others_files():
            raise ValueError(f"{self.path} is not empty and holds no run; name a new folder")
        self.path.mkdir(parents=True, exist_ok=True)
        with ExitStack() as held:
            try:
                held.enter_context(locked(self._lock))
            except LockedError as error:
                raise ValueError(
                    f"another process trains in {self.path}; wait until it ends, or name another folder"
                ) from error
            except OSError as error:
                on_note(f"{self.path} cannot be locked ({error.strerror}): start no second training there")
            yield

    def open(self, request: dict[str, Any], *, anew: bool = False) -> None:
        """Record what the run is, or check that the folder holds a run of the same request.

        Args:
            request: what the run is.
            anew: remove the files of the run that the folder holds; other files stay.

        Raises:
            ValueError: the folder holds another run.
        """
        found = read_json(self.request) if self.request.exists() else {}
        if found and not found.keys() >= _REQUESTED:
            raise ValueError(f"{self.request} is another program's; name a new folder for the run")
        for leftover in self._leftovers():
            leftover.unlink()
        if anew:
            for file in self._files:
                file.unlink(missing_ok=True)
            shutil.rmtree(self.events, ignore_errors=True)
        if not self.request.exists():
            write_json(self.request, request)
            return
        found.setdefault("processes", 1)
        found["recipe"] = Recipe.completed(found["recipe"])
        changed = _differences(found, json.loads(json.dumps(request)))
        if changed:
            advice = (
                "Give the same command line, with the same pictures and teacher, to continue it, name a new folder for "
                "another run, or start anew with --force"
            )
            if self.result.exists():
                advice = (
                    f"That run is finished. To train its net further, start a new run from its weights: --init "
                    f"{self.model} and another --out"
                )
            raise ValueError(f"{self.path} holds a run with {'; '.join(changed)}. {advice}")

    def _leftovers(self) -> set[Path]:
        """Return what a process that was killed while writing leaves behind: temporary files."""
        return {leftover for file in self._files for leftover in self.path.glob(f".{file.name}.*")}

    def _holds_others_files(self) -> bool:
        """Tell whether the folder has files that neither a run nor a file manager leaves there."""
        others = set(self.path.iterdir()) - self._leftovers() - {self._lock}
        return not all(is_left_behind(path.name) for path in others)

    @property
    def has_state(self) -> bool:
        """Whether there is a state to resume from."""
        return self._state.exists()

    def save(self, state: dict[str, Any], history: list[dict[str, Any]]) -> None:
        """Write the state to resume from and the log up to it.

        Raises:
            OSError: the disk is full, or the folder is gone; the previous state is kept.
        """
        # Through memory, because PyTorch's own writer does not report a full disk; copied, because an error that is
        # raised while a view of the memory exists lets Python 3.12.1 crash (cpython#111049).
        buffer = io.BytesIO()
        torch.save(state, buffer)
        buffer.seek(0)
        with self.state_kept(self._state), replace_file(self._state) as temporary, temporary.open("wb") as file:
            shutil.copyfileobj(buffer, file)
        with self.state_kept(self.metrics):
            self.log(history)

    def log(self, history: list[dict[str, Any]]) -> None:
        """Write the log, a line for each epoch."""
        with replace_file(self.metrics) as temporary:
            temporary.write_text("".join(json.dumps(line, sort_keys=True) + "\n" for line in history))

    @contextmanager
    def state_kept(self, path: Path) -> Iterator[None]:
        """Let an error of writing in the block, of this path if it names none, say that the run can be continued."""
        try:
            yield
        except OSError as error:
            what = error.strerror or str(error)
            remedy = "Mend that" if error.errno in _REFUSED else "Make room"
            kept = "the last good state is kept" if self.has_state else "no state was saved yet"
            what += f"; {kept}. {remedy}, and give the same command line again"
            raise OSError(error.errno, what, error.filename or str(path)) from error

    def load(self) -> dict[str, Any] | None:
        """Return the saved state, or None in a fresh run; ValueError if the file is damaged."""
        if not self.has_state:
            return None
        try:
            state: dict[str, Any] = torch.load(self._state, map_location="cpu", weights_only=True)
        except (RuntimeError, EOFError, pickle.UnpicklingError) as error:
            raise ValueError(
                f"{self._state} is damaged ({error}); remove the folder and start the run again"
            ) from error
        return state


def _differences(found: dict[str, Any], wanted: dict[str, Any], prefix: str = "") -> list[str]:
    lines = []
    for key in sorted(found.keys() | wanted.keys()):
        old, new = found.get(key), wanted.get(key)
        if isinstance(old, dict) and isinstance(new, dict):
            lines += _differences(old, new, f"{prefix}{key}.")
        elif old != new:
            lines.append(f"{prefix}{key}={old!r}, not {new!r}")
    return lines
