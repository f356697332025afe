"""The zoo's nets for timm: `import zoo.timm`, then `timm.create_model("diracnet16_cifar", pretrained=True)`.

timm's own transforms do what ours do, from the configuration that each net brings along. Needs timm, which nothing else
in the package does.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import replace
from typing import Any, cast

from timm.models import generate_default_cfgs, register_model
from torch import Tensor, nn
from torch.nn import functional as F

from zoo.models import DiracNet
from zoo.nets.registry import MODELS, get_spec
from zoo.nets.spec import Spec
from zoo.preprocessing import CIFAR, IMAGENET, Preprocessing
from zoo.weights.checkpoint import load_strictly
from zoo.weights.locate import load_weight
from zoo.weights.record import Weight, get_weight, weights


class TimmDiracNet(DiracNet):
    """A `DiracNet` with what timm asks of a model beside `forward_features`."""

    def __init__(self, spec: Spec, pretrained_cfg: dict[str, Any]) -> None:
        super().__init__(spec)
        self.pretrained_cfg = self.default_cfg = pretrained_cfg
        self.num_features = self.head_hidden_size = self.fc.in_features

    @property
    def num_classes(self) -> int:
        """Outputs of the classifier; 0 where there is none and the net gives features."""
        return self.fc.out_features if isinstance(self.fc, nn.Linear) else 0

    def get_classifier(self) -> nn.Module:
        """Return the last layer."""
        return self.fc

    def reset_classifier(self, num_classes: int, global_pool: str | None = None) -> None:
        """Replace the last layer by a fresh one, or for 0 classes take it away."""
        if global_pool not in (None, "", "avg"):
            raise ValueError(f"global_pool={global_pool!r}: DiracNets have the average pool, 'avg', only")
        if num_classes == 0:
            self.fc = cast(nn.Linear, nn.Identity())
            return
        like = self.conv.weight
        self.spec = replace(self.spec, num_classes=num_classes)
        self.fc = nn.Linear(self.num_features, num_classes, device=like.device, dtype=like.dtype)

    def forward_head(self, input: Tensor, pre_logits: bool = False) -> Tensor:
        """Map the last feature map to logits, or to the features before the last layer."""
        pooled = F.adaptive_avg_pool2d(input, 1).flatten(1)
        return pooled if pre_logits else cast(Tensor, self.fc(pooled))


def _loadable(name: str) -> dict[str, Weight]:
    """Return the weights of a net that are there in training form, by tag."""
    return {tag: record for (model, tag), record in weights().items() if model == name and "dirac" in record.files}


def _cfg(spec: Spec, preprocessing: Preprocessing, record: Weight | None) -> dict[str, Any]:
    """Return what timm calls a pretrained_cfg."""
    source: dict[str, Any] = {}
    if record is not None:
        path = record.files["dirac"].path
        hub = {"hf_hub_id": record.repository, "hf_hub_filename": path}
        source = hub if record.repository else {"file": str(cast(Any, record.folder) / path)}
        source |= {"label_names": record.labels, "license": record.licence}
    return {
        **source,
        "num_classes": spec.num_classes,
        "input_size": (spec.in_channels, preprocessing.size, preprocessing.size),
        "min_input_size": (spec.in_channels, spec.min_size, spec.min_size),
        "crop_pct": preprocessing.size / preprocessing.resize,
        "crop_mode": "center",
        "interpolation": preprocessing.interpolation,
        "mean": preprocessing.mean,
        "std": preprocessing.std,
        "first_conv": "conv",
        "classifier": "fc",
        "paper_ids": "arXiv:1706.00388",
    }


def _cfgs(name: str, spec: Spec) -> dict[str, dict[str, Any]]:
    """Return a net's configurations: one for each of its weights, or one without any."""
    found = {f"{name}.{tag}": _cfg(r.spec, r.preprocessing, r) for tag, r in _loadable(name).items()}
    return found or {f"{name}.untrained": _cfg(spec, CIFAR if spec.family == "cifar" else IMAGENET, None)}


def _entrypoint(name: str) -> Callable[..., TimmDiracNet]:
    def build(
        pretrained: bool = False,
        pretrained_cfg: Any = None,
        pretrained_cfg_overlay: dict[str, Any] | None = None,
        num_classes: int | None = None,
        in_chans: int | None = None,
        cache_dir: str | None = None,
        **unknown: Any,
    ) -> TimmDiracNet:
        if unknown or cache_dir:
            raise TypeError(
                f"{name} takes no {', '.join(unknown) or 'cache_dir'}; num_classes and in_chans it does, other "
                "structures are built by zoo.diracnet, and HF_HUB_CACHE says where downloads go"
            )
        wanted = {
            key: value
            for key, value in {"num_classes": num_classes, "in_channels": in_chans}.items()
            if value is not None
        }
        if not pretrained:
            base = default_cfgs[name].default
            spec = Spec.from_dict(
                {**get_spec(name).to_dict(), **{key: value for key, value in wanted.items() if value}}
            )
            net = TimmDiracNet(spec, {**base.to_dict(), **(pretrained_cfg_overlay or {}), "architecture": name})
        else:
            tag = pretrained_cfg if isinstance(pretrained_cfg, str) else getattr(pretrained_cfg, "tag", None)
            tags = list(_loadable(name))
            if not tags:
                raise ValueError(f"{name} has no weights in training form")
            record = get_weight(name, tag or tags[0])
            if wanted.get("in_channels", record.spec.in_channels) != record.spec.in_channels:
                raise ValueError(
                    f"in_chans={in_chans}: the weights {record.tag} take {record.spec.in_channels} channels"
                )
            cfg = default_cfgs[name].cfgs[record.tag].to_dict()
            net = TimmDiracNet(record.spec, {**cfg, **(pretrained_cfg_overlay or {}), "architecture": name})
            load_strictly(net, load_weight(record, "dirac").state, name)
            net.eval()
        if num_classes is not None and num_classes != net.num_classes:
            net.reset_classifier(num_classes)
        return net

    build.__name__ = build.__qualname__ = name
    build.__doc__ = f"{name}, as timm builds models."
    return build


default_cfgs = generate_default_cfgs(
    {tag: cfg for name, spec in MODELS.items() for tag, cfg in _cfgs(name, spec).items()}
)

for _name in MODELS:
    setattr(sys.modules[__name__], _name, register_model(_entrypoint(_name)))
