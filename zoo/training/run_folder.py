"""A training run on disk: the request, the state to resume from, the log, the result. Files are replaced whole."""

from __future__ import annotations

import io
import json
import pickle
from pathlib import Path
from typing import Any

import torch

from zoo.files import read_json, replace_file, write_json


class RunFolder:
    """The folder of one run.

    `run.json` holds recipe, seed and data; `state.pt` all that resuming needs; `metrics.jsonl` a line an epoch;
    at the end `model.safetensors` the weights, `curves.png` the log as a picture and `result.json` the figures.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.model = path / "model.safetensors"
        self.result = path / "result.json"
        self.metrics = path / "metrics.jsonl"
        self.curves = path / "curves.png"
        self.request = path / "run.json"
        self._state = path / "state.pt"

    def open(self, request: dict[str, Any]) -> None:
        """Create the folder for this request, or check that it holds a run of the same one.

        Raises:
            ValueError: the folder holds another run, or something else.
        """
        if self.path.exists() and not self.path.is_dir():
            raise ValueError(f"{self.path} is a file; name a folder for the run")
        if not self.request.exists():
            if self.path.exists() and set(self.path.iterdir()) - self._leftovers():
                raise ValueError(f"{self.path} is not empty and holds no run; name a new folder")
            self.path.mkdir(parents=True, exist_ok=True)
            self._remove_leftovers()
            write_json(self.request, request)
            return
        found = read_json(self.request)
        wanted = json.loads(json.dumps(request))
        changed = _differences(found, wanted)
        if changed:
            raise ValueError(
                f"{self.path} holds a run with {'; '.join(changed)}. Give the same command line to continue it, or "
                "name a new folder"
            )
        self._remove_leftovers()

    def _leftovers(self) -> set[Path]:
        """The temporary files of a process that was killed while it wrote."""
        files = (self.model, self.result, self.metrics, self.curves, self.request, self._state)
        return {leftover for file in files for leftover in self.path.glob(f".{file.name}.*")}

    def _remove_leftovers(self) -> None:
        for leftover in self._leftovers():
            leftover.unlink()

    @property
    def has_state(self) -> bool:
        """Whether there is a state to resume from."""
        return self._state.exists()

    def save(self, state: dict[str, Any], history: list[dict[str, Any]]) -> None:
        """Write the state to resume from and the log up to it.

        Raises:
            OSError: the disk is full, or the folder is gone; the state that was there is kept.
        """
        # Through memory, because PyTorch's own writer says nothing of a full disk.
        buffer = io.BytesIO()
        torch.save(state, buffer)
        try:
            with replace_file(self._state) as temporary:
                temporary.write_bytes(buffer.getbuffer())
        except OSError as error:
            what = f"{error.strerror}; the last good state is kept. Make room, and give the same command line again"
            raise OSError(error.errno, what, str(self._state)) from error
        with replace_file(self.metrics) as temporary:
            temporary.write_text("".join(json.dumps(line, sort_keys=True) + "\n" for line in history))

    def load(self) -> dict[str, Any] | None:
        """Return the saved state, or None in a fresh run; ValueError where the file is damaged."""
        if not self.has_state:
            return None
        try:
            state: dict[str, Any] = torch.load(self._state, map_location="cpu", weights_only=True)
        except (RuntimeError, EOFError, pickle.UnpicklingError) as error:
            raise ValueError(f"{self._state} is damaged ({error}); remove the folder and start the run anew") from error
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
