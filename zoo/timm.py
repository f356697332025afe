"""The zoo's nets for timm: `import zoo.timm`, then `timm.create_model("diracnet16_cifar", pretrained=True)`.

timm's own transforms do what ours do, given the configuration that each net provides, for all pictures that the crop
fits into. Needs timm, which nothing else in the package does.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import fields, replace
from pathlib import Path
from typing import Any, cast

import torch
from timm.models import (
    FeatureDictNet,
    build_model_with_cfg,
    generate_default_cfgs,
    get_pretrained_cfg,
    load_state_dict,
    register_model,
)
from timm.models._pretrained import PretrainedCfg  # has no public name
from torch import Tensor, nn

from zoo.models import DiracNet
from zoo.nets.registry import MODELS, get_spec
from zoo.nets.spec import Spec
from zoo.nets.timm_net import TimmNetwork
from zoo.weights.checkpoint import load_strictly
from zoo.weights.hub import fetch
from zoo.weights.locate import load_weight
from zoo.weights.record import Weight, all_weights
from zoo.weights.reference import Hub
from zoo.weights.timm_config import pretrained_cfg as describe

OPTIONS = ("num_classes", "in_chans", "global_pool", "final_relu", "features_only", "out_indices", "feature_cls")
"""Arguments of `timm.create_model` that the nets accept, apart from those that say where the weights are."""

NEUTRAL: Mapping[str, object] = {
    "drop_rate": 0,
    "drop_path_rate": 0,
    "drop_block_rate": 0,
    "attn_drop_rate": 0,
    "proj_drop_rate": 0,
    "bn_momentum": 0.1,
    "bn_eps": 1e-5,
    "bn_tf": False,
    "pruned": False,
}
"""Arguments that timm's scripts pass to every net, and the value at which each has no effect."""

PLACES = ("state_dict", "file", "hf_hub_id", "url")
"""Fields of a `PretrainedCfg` that say where the weights are. As in timm, the first that is set counts."""


_WEIGHTS = ("model.safetensors", "pytorch_model.bin")
"""Files that timm, huggingface_hub and this package write; looked for in this order if none is named."""


class TimmDiracNet(TimmNetwork, DiracNet):
    """A `DiracNet` with everything that timm asks of a model, see `TimmNetwork`."""

    def reset_classifier(self, num_classes: int, global_pool: str | None = None) -> None:
        super().reset_classifier(num_classes, global_pool)
        self.labels = ()

    def save_pretrained(self, save_directory: str | Path, **options: Any) -> str | None:
        """Save as `DiracNet.save_pretrained` does; ValueError if the saved net could not be loaded again."""
        if self.num_classes == 0:
            raise ValueError(
                "this net has no classifier, and save_pretrained saves whole DiracNets: call reset_classifier first, "
                "or use timm's save_for_hf"
            )
        return super().save_pretrained(save_directory, **options)


def _loadable(name: str) -> dict[str, Weight]:
    """Return the weights of a net that exist in training form, by tag."""
    return {tag: record for (model, tag), record in all_weights().items() if model == name and "dirac" in record.files}


def _cfg(record: Weight) -> dict[str, Any]:
    """Return the fields of a record's `PretrainedCfg`."""
    path = record.files["dirac"].path
    hub = {"hf_hub_id": record.repository, "hf_hub_filename": path}
    source = hub if record.repository else {"file": str(cast(Path, record.folder) / path)}
    return {**describe(record.spec, record.preprocessing, record.labels), **source, "license": record.licence}


def _cfgs(name: str, spec: Spec) -> dict[str, dict[str, Any]]:
    """Return a net's configurations: one for each of its weights, or one without any."""
    found = {f"{name}.{tag}": _cfg(record) for tag, record in _loadable(name).items()}
    return found or {f"{name}.untrained": describe(spec, spec.stem.preprocessing)}


def _places(cfg: PretrainedCfg) -> dict[str, Any]:
    """Return what a configuration says about where the weights are."""
    names = (*PLACES, "hf_hub_filename", "source")
    return {name: value for name in names if (value := getattr(cfg, name)) is not None}


def _resolve(name: str, given: Any, overlay: Mapping[str, Any] | None) -> PretrainedCfg:
    """Return the configuration that the user's arguments describe; what they leave open comes from the net's own.

    A location that they name replaces the net's own: timm would look for `file` first, whoever named it.
    """
    tag = given if isinstance(given, str) else getattr(given, "tag", None)
    known = isinstance(given, str) or tag in default_cfgs[name].cfgs  # timm's error names an unknown tag
    own = cast(PretrainedCfg, get_pretrained_cfg(f"{name}.{tag}" if tag and known else name))
    chosen: dict[str, Any] = {}
    if isinstance(given, PretrainedCfg):
        chosen = {f.name: value for f in fields(given) if (value := getattr(given, f.name)) != f.default}
    elif given and not isinstance(given, str):
        chosen = dict(given)
    if chosen:
        own = replace(own, **cast(Any, dict.fromkeys((*PLACES, "hf_hub_filename"))))
    cfg = replace(own, **{**chosen, "architecture": name})
    changes = dict(overlay or {})
    cleared: set[str] = set()
    if any(changes.get(place) is not None for place in PLACES):
        cleared = {*PLACES, "hf_hub_filename", "source"}
    elif changes.get("hf_hub_filename"):
        cleared = {*PLACES, "source"} - {"hf_hub_id"}
    cfg = replace(cfg, **{**cast(Any, dict.fromkeys(cleared)), **changes})
    if cfg.hf_hub_filename and not cfg.hf_hub_id and cfg.source != "local-dir":
        raise ValueError(f"hf_hub_filename={cfg.hf_hub_filename!r} is the file of no repository: add hf_hub_id")
    return cfg


def _read(cfg: PretrainedCfg, cache_dir: str | Path | None) -> Mapping[str, Tensor]:
    """Return the state dict at the place that a configuration names; nothing but tensors is unpickled."""
    if cfg.state_dict is not None:
        return cfg.state_dict
    names = [cfg.hf_hub_filename] if cfg.hf_hub_filename else [*_WEIGHTS]
    if cfg.file:
        path = Path(cfg.file)
        paths = [path / name for name in names] if cfg.source == "local-dir" else [path]
        found = next((path for path in paths if path.is_file()), None)
        if found is None:
            raise FileNotFoundError(f"there is no file {' or '.join(map(str, paths))} to take the weights from")
        return _read_file(found)
    if cfg.hf_hub_id:
        reference = Hub.parse(cfg.hf_hub_id)
        if reference is None:
            raise ValueError(f"hf_hub_id={cfg.hf_hub_id!r} is not of the form ORG/NAME or ORG/NAME@REVISION")
        repository, revision = reference.repository, reference.revision
        for name in names[:-1]:
            with suppress(FileNotFoundError):
                return _read_file(fetch(repository, name, revision=revision, cache_dir=cache_dir))
        return _read_file(fetch(repository, names[-1], revision=revision, cache_dir=cache_dir))
    folder = None if cache_dir is None else str(cache_dir)
    return torch.hub.load_state_dict_from_url(cast(str, cfg.url), folder, "cpu", progress=False, weights_only=True)


def _read_file(path: Path) -> Mapping[str, Tensor]:
    return cast("Mapping[str, Tensor]", load_state_dict(str(path), weights_only=True))


def _load(net: TimmDiracNet, state: Mapping[str, Tensor], num_classes: int, source: str) -> None:
    """Load a state dict strictly, apart from what timm adapts: the stem's channels, and a classifier of other classes.

    Args:
        net: the net.
        state: the state dict of a DiracNet in training form.
        num_classes: number of classes of the net that the state is from.
        source: where the state is from, for error messages.
    """
    if "conv.bias" in state:
        raise ValueError(
            f"{source} holds a folded net, and timm builds the training form: take the file below dirac/, or load it "
            "with zoo.from_pretrained(…, folded=True)"
        )
    adapted = dict(state)
    kernel = state.get("conv.weight")
    if kernel is not None and kernel.ndim == 4 and kernel.shape[1] != net.in_chans:
        adapted["conv.weight"] = adapt_channels(kernel, net.in_chans)
    if num_classes != net.num_classes:
        adapted = {name: value for name, value in adapted.items() if not name.startswith("fc.")}
        adapted |= {f"fc.{name}": value for name, value in net.fc.state_dict().items()}
    load_strictly(net, adapted, f"{net.spec.name} ({source})")


def adapt_channels(kernel: Tensor, channels: int) -> Tensor:
    """Return a stem's kernel (out, in, h, w) for another number of channels, as timm's `adapt_input_conv` does.

    Written here because timm's own, before 1.0.16, starts from three channels only.
    """
    if channels == 1:
        return kernel.sum(dim=1, keepdim=True)
    own = kernel.shape[1]
    return kernel.repeat(1, -(-channels // own), 1, 1)[:, :channels] * (own / channels)


def _options(name: str, arguments: Mapping[str, Any]) -> dict[str, Any]:
    """Return the arguments that change something; TypeError or ValueError for those that a DiracNet does not have."""
    asked = {key: value for key, value in arguments.items() if value is not None and NEUTRAL.get(key) != value}
    if unknown := {key: value for key, value in asked.items() if key not in OPTIONS}:
        raise TypeError(
            f"{name} takes no {', '.join(f'{key}={value!r}' for key, value in unknown.items())}; of what timm offers, "
            f"DiracNets have {', '.join(OPTIONS)}, and zoo.diracnet builds other structures"
        )
    if not asked.get("features_only"):
        if idle := [key for key in ("out_indices", "feature_cls") if key in asked]:
            raise ValueError(f"{' and '.join(idle)} of {name}: say features_only=True as well")
        return asked
    kind = asked.get("feature_cls")
    if kind in ("list", "dict") or (isinstance(kind, type) and issubclass(kind, FeatureDictNet)):
        raise ValueError(
            f"feature_cls={kind!r} of {name}: it would leave out the poolings, which are no modules; use 'getter' (the "
            "default), 'hook' or 'fx'"
        )
    return asked


def _entrypoint(name: str) -> Callable[..., nn.Module]:
    def build(
        pretrained: bool = False,
        pretrained_cfg: Any = None,
        pretrained_cfg_overlay: Mapping[str, Any] | None = None,
        cache_dir: str | Path | None = None,
        pretrained_model_args: dict[str, Any] | None = None,
        **arguments: Any,
    ) -> nn.Module:
        options = _options(name, arguments)
        cfg = _resolve(name, pretrained_cfg, pretrained_cfg_overlay)
        places = _places(cfg)
        own = default_cfgs[name].cfgs
        record = next((record for tag, record in _loadable(name).items() if _places(own[tag]) == places), None)
        spec = record.spec if record else get_spec(name)
        state: Mapping[str, Tensor] | None = None
        if pretrained and record:
            state = load_weight(record, "dirac").state
        elif pretrained and not places:
            raise ValueError(
                f"{name} has no weights in training form: build it with pretrained=False, or say where yours are by "
                f"pretrained_cfg_overlay={{'file': …}} ({', '.join(PLACES)})"
            )
        elif pretrained:
            state = _read(cfg, cache_dir)

        def make(**structure: Any) -> TimmDiracNet:
            net = TimmDiracNet(spec, **structure)
            if state is not None:
                _load(net, state, cfg.num_classes, str(record.tag if record else places))
                if record and net.spec == record.spec:
                    net.labels, net.preprocessing = record.labels, record.preprocessing
            return net

        net = cast(Any, build_model_with_cfg)(
            make,
            name,
            pretrained=False,  # make has loaded them
            pretrained_cfg=replace(cfg, state_dict=None),
            feature_cfg={"out_indices": tuple(range(len(spec.groups) + 1)), "feature_cls": "getter"},
            **options,
            **({"pretrained_model_args": pretrained_model_args} if pretrained_model_args else {}),
        )
        return cast(nn.Module, net.eval() if pretrained else net)

    build.__name__ = build.__qualname__ = name
    build.__doc__ = f"{name}, as timm builds models."
    return build


default_cfgs = generate_default_cfgs(
    {tag: cfg for name, spec in MODELS.items() for tag, cfg in _cfgs(name, spec).items()}
)

for _name in MODELS:
    setattr(sys.modules[__name__], _name, register_model(_entrypoint(_name)))
