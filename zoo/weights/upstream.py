"""Weights of the original code (github.com/szagoruyko/diracnets, 2017–18), in every format it left behind.

Also those that pytorchcv (github.com/osmr/imgclsmob) converted.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file
from torch import Tensor

from zoo.nets.kernel import dirac_delta
from zoo.nets.spec import FAMILIES, VERSIONS, Spec
from zoo.weights.checkpoint import UPSTREAM, Checkpoint


def read_upstream(source: str | Path | Mapping[str, Any], final_relu: bool | None = None) -> Checkpoint:
    """Return what `zoo.load_upstream` reads as a `Checkpoint`, which can be saved."""
    content = source if isinstance(source, Mapping) else _read(Path(source))
    what = "this dict" if isinstance(source, Mapping) else str(source)
    tensors = _tensors(content, what)
    if "group0.block0.conv.alpha" in tensors:
        raise ValueError(f"{what} was not made by the original code but by this package: use zoo.Checkpoint.load")
    form = "dirac" if "group0.block0.alpha" in tensors else "folded"
    eyes = {name: tensor for name, tensor in tensors.items() if re.fullmatch(r"eye\d+(_\d+)+", name)}
    state = {_renamed(name, form): tensor for name, tensor in tensors.items() if name not in eyes}
    spec = _infer(state, form, final_relu, what)
    for name, eye in eyes.items():
        if eye.ndim < 3 or not torch.equal(eye, dirac_delta(eye, delta=spec.block.delta)):
            raise ValueError(
                f"{what}: {name} is not the delta of version {spec.version}; the file is damaged or foreign"
            )
    if form == "dirac":
        counters = (
            f"{name.removesuffix('running_mean')}num_batches_tracked" for name in state if "running_mean" in name
        )
        state |= {name: torch.tensor(0) for name in counters}  # each its own: shared ones cannot be saved
    preprocessing = spec.stem.preprocessing if spec.in_channels == 3 else None
    return Checkpoint(form=form, spec=spec, tag=UPSTREAM, preprocessing=preprocessing, state=state)


def _read(path: Path) -> Mapping[str, Any]:
    if not path.is_file():
        raise FileNotFoundError(f"no file {path}")
    if path.suffix == ".hkl":
        raise ValueError(
            f"{path}: hickle files are HDF5; read it with h5py and give load_upstream the dict of its arrays as tensors"
        )
    try:
        content = (
            load_file(path)
            if path.suffix == ".safetensors"
            else torch.load(path, map_location="cpu", weights_only=True)
        )
    # A hostile or truncated pickle can raise nearly anything from within the unpickler.
    except Exception as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise ValueError(f"{path} is damaged, or holds more than tensors and plain values: {reason}") from error
    if not isinstance(content, Mapping):
        raise ValueError(f"{path} holds a {type(content).__name__}, not a dict of parameters")
    return content


def _tensors(content: Mapping[str, Any], what: str) -> dict[str, Tensor]:
    """Return the parameters and statistics as one flat dict."""
    parts = [content["params"], content.get("stats") or {}] if "params" in content else [content]
    if not all(isinstance(part, Mapping) for part in parts):
        raise ValueError(f"{what}: 'params' and 'stats' must be dicts of tensors")
    tensors: dict[str, Tensor] = {}
    for part in parts:
        for name, tensor in part.items():
            if not isinstance(name, str) or not isinstance(tensor, Tensor):
                raise ValueError(
                    f"{what} is not a DiracNet file: its entry {name!r} is a {type(tensor).__name__}, not a tensor"
                )
            if tensor.untyped_storage().nbytes() < tensor.numel() * tensor.element_size():
                raise ValueError(
                    f"{what}: {name} of shape {tuple(tensor.shape)} repeats fewer values than that; the file is foreign"
                )
            tensors[name.removeprefix("features.")] = tensor.detach()
    return _from_pytorchcv(tensors) if "init_block.conv.weight" in tensors else tensors


def _from_pytorchcv(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return pytorchcv's parameters by the names of the original code's folded ones; it counts from 1."""

    def renamed(name: str) -> str:
        if unit := re.fullmatch(r"stage([1-9]\d*)\.unit([1-9]\d*)\.conv\.(weight|bias)", name):
            return f"group{int(unit[1]) - 1}.block{int(unit[2]) - 1}.conv.{unit[3]}"
        return re.sub(r"^output\.", "fc.", re.sub(r"^init_block\.conv\.", "conv.", name))

    return {renamed(name): tensor for name, tensor in tensors.items()}


def _renamed(name: str, form: str) -> str:
    """Return today's name of an upstream parameter."""
    if form == "folded":
        return name
    name = re.sub(r"^(group\d+\.block\d+)\.(alpha|beta)$", r"\1.conv.\2", name)
    return re.sub(r"^((?:group\d+\.block\d+\.)?conv)$", r"\1.weight", name)


def _infer(state: Mapping[str, Tensor], form: str, final_relu: bool | None, what: str) -> Spec:
    """Infer the Spec from names and shapes."""
    try:
        stem, first, classes = (state[f"{name}.weight"] for name in ("conv", "group0.block0.conv", "fc"))
        channels, in_channels, kernel_size = stem.shape[0], stem.shape[1], stem.shape[2]
        doubled, num_classes = first.shape[1] // channels, classes.shape[0]
    except (KeyError, IndexError, ZeroDivisionError) as error:
        raise ValueError(
            f"{what} is not a DiracNet file: it lacks conv, group0.block0.conv or fc of the right dimensions; "
            f"it holds {', '.join(sorted(state)[:4]) or 'nothing'}, …"
        ) from error
    blocks = tuple(
        len([name for name in state if re.fullmatch(rf"group{index}\.block\d+\.conv\.weight", name)])
        for index in range(len({name.split(".")[0] for name in state if name.startswith("group")}))
    )
    version = next((number for number, kind in VERSIONS.items() if doubled == 1 + kind.ncrelu), None)
    for family, table in FAMILIES.items():
        depth = next((depth for depth, counts in table.blocks.items() if counts == blocks), None)
        if table.kernel_size == kernel_size and depth is not None and version is not None:
            return Spec(
                depth=depth,
                width=channels / table.widths[0],
                family=family,
                version=version,
                in_channels=in_channels,
                num_classes=num_classes,
                final_relu=(version == 2 or form == "folded") if final_relu is None else final_relu,
            )
    raise ValueError(
        f"{what} is not a known DiracNet: stem {kernel_size}×{kernel_size}, blocks per group {blocks}, "
        f"{doubled} input channels per stem channel in the first block"
    )
