"""transformers.js in Node classifies pictures from a repository that we published. `make clients` installs it."""

import json
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

import zoo
from export import export_bundle
from export.hub.push import push

HERE = Path(__file__).resolve().parent
INSTALLED = HERE.parent.parent / "build" / "clients"
RECORD = zoo.get_weight("diracnet16_cifar", "cifar10")

pytestmark = [
    pytest.mark.skipif(
        not (INSTALLED / "node_modules" / "@huggingface" / "transformers").is_dir(), reason="`make clients` installs it"
    ),
    # The HTTP library beneath huggingface_hub finds the call by which that uploads files old-fashioned.
    pytest.mark.filterwarnings("ignore:Use .content=:DeprecationWarning"),
]


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("clients") / "bundle"
    export_bundle(zoo.load_weight(RECORD, "dirac"), out, record=RECORD, formats=("all",))
    return out


@pytest.mark.parametrize(("dtype", "tolerance"), [("fp32", 1e-4), ("fp16", 5e-3)])
def test_the_same_answers_as_pytorch(
    hub, bundle: Path, dtype: str, tolerance: float, root: Path, tmp_path: Path
) -> None:
    push(bundle, "clients/net")
    photograph = Image.open(root / "docs" / "cat.jpg")
    paths = [root / "docs" / "cat.jpg"]
    for index, left in enumerate(range(0, 240, 40)):
        paths.append(tmp_path / f"{index}.png")
        photograph.crop((left, left // 4, left + 200, left // 4 + 200)).resize((32, 32)).save(paths[-1])
    shutil.copy(HERE / "classify.mjs", INSTALLED)  # modules are looked for beside the program
    command = ["node", INSTALLED / "classify.mjs", f"{hub.url}/", "clients/net", dtype, tmp_path / "cache", *paths]
    done = subprocess.run(list(map(str, command)), capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    net, transforms = zoo.build_from(zoo.load_weight(RECORD, "dirac")), RECORD.transforms()
    with torch.inference_mode():
        expected = net(torch.stack([transforms(Image.open(path)) for path in paths])).numpy()
    answers = json.loads(done.stdout.splitlines()[-1])
    assert [answer["label"] for answer in answers] == [RECORD.labels[index] for index in expected.argmax(axis=1)]
    # Small pictures go in as they are; the photograph is resized by another library than PIL.
    found = np.array([answer["logits"] for answer in answers[1:]])
    np.testing.assert_allclose(found, expected[1:], rtol=0, atol=tolerance * np.abs(expected).max())
