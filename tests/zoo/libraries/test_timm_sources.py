"""timm: whose weights are loaded. Those that the user names, or an error; the zoo's where nobody names any."""

import copy
import importlib
import json
import shutil
from pathlib import Path
from types import ModuleType

import pytest
import torch
from safetensors.torch import load_file, save_file

import zoo
from zoo.weights.timm_config import timm_config

NAME = "diracnet16_cifar"


pytestmark = pytest.mark.usefixtures("timm")


@pytest.fixture(scope="module")
def mine(shipped: zoo.DiracNet) -> dict[str, torch.Tensor]:
    """A fine-tuned net: the shipped one, shifted."""
    net = copy.deepcopy(shipped)
    with torch.no_grad():
        net.fc.bias.add_(100)
    return net.state_dict()


@pytest.fixture
def files(mine: dict[str, torch.Tensor], tmp_path: Path) -> Path:
    """A folder with the fine-tuned net in every format that timm reads."""
    torch.save(mine, tmp_path / "plain.pth")
    torch.save({"state_dict": {f"module.{name}": value for name, value in mine.items()}}, tmp_path / "parallel.pth.tar")
    save_file(mine, tmp_path / "mine.safetensors")
    folder = tmp_path / "saved"
    folder.mkdir()
    save_file(mine, folder / "model.safetensors")
    return tmp_path


def holds(net: torch.nn.Module, state: dict[str, torch.Tensor]) -> bool:
    own = net.state_dict()
    return own.keys() == state.keys() and all(torch.equal(own[name], state[name]) for name in own)


@pytest.mark.parametrize("name", [NAME, f"{NAME}.cifar10"])
def test_without_a_place_the_shipped_weights(timm: ModuleType, name: str, shipped: zoo.DiracNet) -> None:
    net = timm.create_model(name, pretrained=True)
    assert holds(net, shipped.state_dict()) and not net.training
    assert f"{NAME}.cifar10" in timm.list_models("diracnet*", pretrained=True)
    cfg = timm.models.get_pretrained_cfg(f"{NAME}.cifar10")
    for given in (cfg, cfg.to_dict(), "cifar10"):
        assert holds(timm.create_model(NAME, pretrained=True, pretrained_cfg=given), shipped.state_dict())


PLACES = {
    "file": lambda files, state: {"file": str(files / "plain.pth")},
    "file of DataParallel": lambda files, state: {"file": str(files / "parallel.pth.tar")},
    "safetensors": lambda files, state: {"file": str(files / "mine.safetensors")},
    "state_dict": lambda files, state: {"state_dict": state},
    "url": lambda files, state: {"url": (files / "plain.pth").as_uri()},
    "folder": lambda files, state: {"file": str(files / "saved"), "source": "local-dir"},
    "file in a folder": lambda files, state: {
        "file": str(files),
        "source": "local-dir",
        "hf_hub_filename": "mine.safetensors",
    },
    "file before url": lambda files, state: {"file": str(files / "plain.pth"), "url": "https://nowhere.invalid/a.pth"},
}


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("how", ["overlay", "dict", "PretrainedCfg"])
@pytest.mark.parametrize("name", [NAME, f"{NAME}.cifar10"])
def test_a_location_named_by_the_user_is_used(
    timm: ModuleType, place: str, how: str, name: str, files: Path, mine: dict, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(files / "hub"))
    wanted = PLACES[place](files, mine)
    if how == "overlay":
        net = timm.create_model(name, pretrained=True, pretrained_cfg_overlay=wanted)
    else:
        kind = dict if how == "dict" else timm.models._pretrained.PretrainedCfg
        net = timm.create_model(name, pretrained=True, pretrained_cfg=kind(**wanted))
    assert holds(net, mine)
    named = {key: value for key, value in net.pretrained_cfg.items() if key in {*wanted, "url", "file", "hf_hub_id"}}
    assert named == {key: value for key, value in wanted.items() if key != "state_dict"}


@pytest.mark.parametrize("how", ["pretrained_cfg", "pretrained_cfg_overlay"])
def test_a_place_without_weights_is_refused(timm: ModuleType, how: str, files: Path, mine: dict) -> None:
    class Bomb:
        def __reduce__(self) -> tuple:
            return (print, ("a pickle ran",))

    torch.save({"state_dict": Bomb()}, files / "pickle.pth")
    save_file({f"backbone.{key}": value for key, value in mine.items()}, files / "names.safetensors")
    folded = Path(zoo.get_weight(NAME, "cifar10").folder) / "model.safetensors"
    for place, error, message in (
        ({"file": "/does/not/exist"}, FileNotFoundError, "/does/not/exist"),
        ({"file": str(files), "source": "local-dir"}, FileNotFoundError, "model.safetensors"),
        ({"file": str(files / "names.safetensors")}, ValueError, "conv.weight is missing"),
        ({"file": str(files / "pickle.pth")}, Exception, "(?i)weights.only"),
        ({"file": str(folded)}, ValueError, "holds a folded net"),
        ({"state_dict": {}}, ValueError, "is missing"),
        ({"hf_hub_id": "no repository"}, ValueError, "ORG/NAME"),
        ({"hf_hub_filename": "other.safetensors"}, ValueError, "add hf_hub_id"),
    ):
        with pytest.raises(error, match=message):
            timm.create_model(NAME, pretrained=True, **{how: place})
    with pytest.raises(ValueError, match=r"has no weights in training form.*state_dict, file, hf_hub_id, url"):
        timm.create_model("diracnet18", pretrained=True)
    with pytest.raises((ValueError, RuntimeError), match="nope"):
        timm.create_model(f"{NAME}.nope", pretrained=True)


def test_a_fresh_classifier_or_stem_on_weights_of_ones_own(timm: ModuleType, files: Path, mine: dict) -> None:
    # train.py --pretrained-path passes the first: no class is taken over
    for changes, classes in (({"num_classes": -1}, 10), ({}, 7)):
        overlay = {"file": str(files / "plain.pth"), **changes}
        arguments = {"num_classes": classes} if classes != 10 else {}
        net = timm.create_model(NAME, pretrained=True, pretrained_cfg_overlay=overlay, **arguments)
        assert net.num_classes == classes and net.fc.bias.abs().max() < 1
        assert torch.equal(net.group2.block3.conv.weight, mine["group2.block3.conv.weight"])


@pytest.mark.parametrize("channels", [1, 2, 3, 4, 7])
def test_the_stem_is_adapted_as_timm_does(timm: ModuleType, channels: int, shipped: zoo.DiracNet) -> None:
    net = timm.create_model(NAME, pretrained=True, in_chans=channels)
    kernel = shipped.conv.weight.detach()
    assert torch.equal(net.conv.weight, timm.models.adapt_input_conv(channels, kernel)) and net.in_chans == channels
    assert net(torch.randn(2, channels, 32, 32)).shape == (2, 10) and net.spec.in_channels == channels
    # And of weights that have other than three channels themselves, with any version of timm.
    state = {**shipped.state_dict(), "conv.weight": net.conv.weight.detach()}
    again = timm.create_model(NAME, pretrained=True, in_chans=channels, pretrained_cfg_overlay={"state_dict": state})
    assert holds(again, state)


def test_what_timm_saves_is_loaded_back(timm: ModuleType, tmp_path: Path, hub, mine: dict) -> None:
    if not timm.models._hub.has_hf_hub():
        pytest.skip("this timm cannot use the installed huggingface_hub, and saves nothing without")
    for index, arguments in enumerate(
        ({}, {"num_classes": 5}, {"num_classes": 0}, {"num_classes": 0, "global_pool": ""}, {"in_chans": 1})
    ):
        net = timm.create_model(NAME, pretrained=True, pretrained_cfg_overlay={"state_dict": mine}, **arguments)
        timm.models._hub.save_for_hf(net, str(tmp_path / str(index)), safe_serialization=True, model_args=arguments)
        contents = {path.name: path.read_bytes() for path in (tmp_path / str(index)).iterdir()}
        hub.plant(f"me/{index}", contents)
        config = json.loads(contents["config.json"])
        for cfg in (
            {"file": str(tmp_path / str(index)), "source": "local-dir"},
            {"hf_hub_id": f"me/{index}", "source": "hf-hub"},
        ):  # what create_model makes of local-dir: and hf-hub:
            cfg = {**config["pretrained_cfg"], "num_classes": config["num_classes"], **cfg}
            again = timm.create_model(NAME, pretrained=True, pretrained_cfg=cfg, **config.get("model_args", {}))
            assert holds(again, net.state_dict()) and again.num_classes == net.num_classes
        for scheme in schemes(timm):
            where = tmp_path / str(index) if scheme == "local-dir" else f"me/{index}"
            again = timm.create_model(f"{scheme}:{where}", pretrained=True)
            assert holds(again, net.state_dict()) and again.global_pool == net.global_pool


def schemes(timm: ModuleType) -> list[str]:
    """Which of its two schemes this timm has: 1.0.15 knows one, and only with the huggingface_hub of its time."""
    local = hasattr(timm.models._hub, "load_model_config_from_path")
    return [*(["hf-hub"] if timm.models._hub.has_hf_hub() else []), *(["local-dir"] if local else [])]


@pytest.fixture
def bundle(tmp_path: Path, record: zoo.Weight) -> Path:
    """The files of a published bundle that timm needs."""
    folder = tmp_path / "bundle"
    shutil.copytree(record.folder / "dirac", folder / "dirac")
    shutil.copy(record.folder / "model.safetensors", folder)
    for below, form, weights in (("", "folded", "dirac/model.safetensors"), ("dirac", "dirac", None)):
        spec, preprocessing = record.spec, record.preprocessing
        config = {
            "architectures": ["DiracNet"],
            "form": form,
            "spec": spec.to_dict(),
            **timm_config(spec, preprocessing, record.labels, weights),
        }
        (folder / below / "config.json").write_text(json.dumps(config))
    return folder


def test_a_bundle_is_loaded(timm: ModuleType, bundle: Path, hub, shipped: zoo.DiracNet, record: zoo.Weight) -> None:
    paths = [path for path in bundle.rglob("*") if path.is_file()]
    hub.plant("me/bundle", {str(path.relative_to(bundle)): path.read_bytes() for path in paths})
    places = {"hf-hub": ["me/bundle"], "local-dir": [bundle, bundle / "dirac"]}
    for scheme in schemes(timm):
        for place in places[scheme]:
            net = timm.create_model(f"{scheme}:{place}", pretrained=True)
            assert holds(net, shipped.state_dict())
            config = timm.data.resolve_model_data_config(net)
            assert tuple(config["mean"]) == record.preprocessing.mean and tuple(config["input_size"]) == (3, 32, 32)
            assert tuple(net.pretrained_cfg["label_names"]) == record.labels
            tuned = timm.create_model(f"{scheme}:{place}", pretrained=True, num_classes=3, in_chans=1)
            assert tuned(torch.randn(2, 1, 32, 32)).shape == (2, 3)
    # and by zoo.from_pretrained as before
    assert holds(zoo.from_pretrained(bundle), load_file(bundle / "dirac" / "model.safetensors"))


def test_structures_that_have_a_name_are_described() -> None:
    fresh = importlib.import_module("zoo.timm")
    for spec in (
        zoo.Spec(depth=10, family="cifar", in_channels=1, num_classes=3),
        zoo.Spec(depth=16, family="cifar", version=1, final_relu=False),
        zoo.Spec(depth=18, width=0.5, num_classes=2),
    ):
        config = json.loads(json.dumps(timm_config(spec, None)))
        cfg = {**config["pretrained_cfg"], "num_classes": config["num_classes"]}
        net = getattr(fresh, config["architecture"])(pretrained_cfg=cfg, **config["model_args"])
        assert net.spec == spec
    assert timm_config(zoo.Spec(depth=16, width=3.0, family="cifar"), None) == {}


def test_a_net_without_classifier_is_not_saved_as_one_with(timm: ModuleType, tmp_path: Path) -> None:
    net = timm.create_model(NAME, num_classes=0)
    with pytest.raises(ValueError, match=r"no classifier.*save_for_hf"):
        net.save_pretrained(tmp_path / "net")
    assert not (tmp_path / "net").exists()
    net.reset_classifier(4)
    net.save_pretrained(tmp_path / "net")
    assert holds(zoo.from_pretrained(tmp_path / "net"), net.state_dict())


@pytest.mark.parametrize("in_channels", [3, 1])
def test_what_save_pretrained_and_push_to_hub_wrote_is_loaded(
    timm: ModuleType, hub, in_channels: int, tmp_path: Path
) -> None:
    net = zoo.get_model(NAME, num_classes=3, in_channels=in_channels).eval()
    mean, std = (0.5,) * in_channels, (0.2,) * in_channels
    net.preprocessing = zoo.Preprocessing(resize=40, size=32, interpolation="bicubic", mean=mean, std=std)
    config = {"id2label": {"0": "cat", "1": "dog", "2": "fox"}}
    net.save_pretrained(tmp_path / "saved", config=config)
    repository = f"alice/cats-{in_channels}"
    paths = [path for path in (tmp_path / "saved").iterdir() if path.is_file()]
    hub.plant(repository, {path.name: path.read_bytes() for path in paths})
    for scheme in schemes(timm):
        found = timm.create_model(
            f"{scheme}:{repository if scheme == 'hf-hub' else tmp_path / 'saved'}", pretrained=True
        )
        assert holds(found, net.state_dict()) and found.num_classes == 3
        cfg = timm.data.resolve_model_data_config(found)
        assert (tuple(cfg["mean"]), tuple(cfg["std"])) == (mean, std)
        assert (cfg["interpolation"], cfg["crop_pct"], tuple(cfg["input_size"])) == (
            "bicubic",
            0.8,
            (in_channels, 32, 32),
        )
        assert list(found.pretrained_cfg["label_names"]) == ["cat", "dog", "fox"]
