"""How to use what a card describes, in the languages and libraries that people have."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any

from export.cards.note import FormatNote
from export.layout import FOLDED, GRAPH, INPUT, OUTPUT, TRAINING_FORM

REPOSITORY = "ORG/NAME"
"""Stands for the repository in cards of bundles that have none."""


def usage(description: Mapping[str, Any], files: Collection[str], formats: Sequence[FormatNote]) -> list[str]:
    """Return the lines of a card's section on use."""
    repository = description.get("repository", REPOSITORY)
    lines = ["## Use", ""]
    if repository == REPOSITORY:
        lines += [f"`{REPOSITORY}` stands for the repository on the Hub, or for the folder of this bundle.", ""]
    lines += [
        "Without PyTorch, on the command line and in Python (`pip install '.[export]'` in a clone of the code):",
        "",
        "```sh",
        f"diracnet predict {repository} PICTURE.jpg",
        "```",
        "",
        "```python",
        "from PIL import Image",
        "",
        "from export.runtime import Classifier",
        "",
        f'(answer,) = Classifier("{repository}").predict([Image.open("PICTURE.jpg")])',
        "print(answer[0].label, answer[0].probability)",
        "```",
        "",
        "PyTorch, with the same package:",
        "",
        "```python",
        "import zoo",
        "",
        f'net = zoo.from_pretrained("{repository}", folded=True)  # a plain nn.Sequential, for inference',
    ]
    if TRAINING_FORM in files:
        lines.append(f'trainable = zoo.from_pretrained("{repository}")  # a zoo.DiracNet, for fine-tuning')
    lines += ["```", ""]
    if "dataset" in description and "recipe" in description:
        lines += [
            "`torch.hub`, from a clone or from GitHub, where OWNER has the repository of the code:",
            "",
            "```python",
            "import torch",
            "",
            f'net = torch.hub.load("OWNER/diracnet-zoo", "{description["name"]}", weights="{description["weights"]}", '
            "folded=True, trust_repo=True)",
            "```",
            "",
        ]
    lines += [
        "safetensors alone: names and shapes are those of a chain of stock layers.",
        "",
        "```python",
        "from huggingface_hub import hf_hub_download",
        "from safetensors.torch import load_file",
        "",
        f'state = load_file(hf_hub_download("{repository}", "{FOLDED}"))',
        "```",
        "",
        "ONNX Runtime alone: pictures are prepared as said under Preprocessing.",
        "",
        "```python",
        "import numpy as np",
        "import onnxruntime",
        "from huggingface_hub import hf_hub_download",
        "",
        f'session = onnxruntime.InferenceSession(hf_hub_download("{repository}", "{GRAPH}"))',
        f"{INPUT} = np.zeros({_shape(description)}, np.float32)",
        f'({OUTPUT},) = session.run(["{OUTPUT}"], {{"{INPUT}": {INPUT}}})',
        "```",
        "",
    ]
    lines += [line for note in formats for line in note.usage]
    lines += [
        "transformers.js, in browsers and in Node:",
        "",
        "```js",
        'import { AutoModel, AutoProcessor, RawImage } from "@huggingface/transformers";',
        "",
        f'const processor = await AutoProcessor.from_pretrained("{repository}");',
        f'const model = await AutoModel.from_pretrained("{repository}", {{ dtype: "fp32" }});',
        f'const {{ {OUTPUT} }} = await model(await processor(await RawImage.read("PICTURE.jpg")));',
        f"const best = {OUTPUT}.data.indexOf(Math.max(...{OUTPUT}.data));",
        "console.log(model.config.id2label[best]);",
        "```",
        "",
    ]
    return lines


def _shape(description: Mapping[str, Any]) -> str:
    size = description["preprocessing"]["size"]
    return f"(1, {description['spec']['in_channels']}, {size}, {size})"
