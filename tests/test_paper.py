"""docs/paper.md: made of the kept logs, which are of the runs it speaks of; and the comparators."""

import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from benchmarks.comparators import COMPARATORS, RepVGG, RepVGGBlock, ResNet, plain
from benchmarks.nets import multiply_adds
from benchmarks.paper.evidence import comparators, from_log, kept, other_start, retired, seeds, shipped
from benchmarks.paper.page import page
from benchmarks.paper.retire import retire
from benchmarks.paper.runs import NETS, RECORDED, SHORT_RUNS, again, beside, taught
from export import fold
from zoo import DiracConv2d, DiracNet, Spec, get_spec
from zoo.training.recipes import RECIPES, Recipe
from zoo.training.teacher import open_teacher
from zoo.weights.record import all_weights, get_weight

ROOT = Path(__file__).resolve().parent.parent
DOCS = ROOT / "docs"
LOGS = sorted((DOCS / "paper").glob("*.json"))
SEARCHES = sorted((DOCS / "recipes").glob("*.json"))
SPECS = [
    Spec(depth=10, width=0.5, family="cifar"),
    Spec(depth=18, width=0.125),
    Spec(depth=10, family="cifar", version=1),
]


def log(name: str) -> dict:
    return json.loads((DOCS / "paper" / f"{name}.json").read_text(encoding="utf-8"))


def test_the_page_is_made_of_the_logs() -> None:
    logs, checkpoints = kept(DOCS), shipped()
    text = (DOCS / "paper.md").read_text(encoding="utf-8")
    assert text == page(logs, checkpoints)
    assert all((DOCS / path).is_file() for path in (f"paper/{name}.png" for name in ("convergence", "depth", "scales")))
    assert all(f"`{model}:{tag}`" in text for (model, tag), weight in all_weights().items() if weight.folder)


@pytest.mark.parametrize("name", SHORT_RUNS)
def test_a_short_run_was_run_as_it_is_written(name: str) -> None:
    run, found = SHORT_RUNS[name], log(name)
    assert Recipe(**found["recipe"]) == run.recipe
    assert found["preprocessing"]["size"] == run.size
    assert found["seed"] == run.seed
    assert found["net"] == RECORDED[run.net]
    assert Spec.from_dict(found["spec"]) == replace(get_spec(run.recipe.model), num_classes=10)
    assert len(found["history"]) == run.recipe.epochs
    assert found["measured_on"] == "held-out training pictures"


def search(name: str) -> Recipe:
    """Return the recipe of a run of docs/recipes.md."""
    return Recipe(**json.loads((DOCS / "recipes" / f"{name}.json").read_text(encoding="utf-8"))["recipe"])


def test_the_notebook_says_what_the_recipes_are() -> None:
    """Under its findings."""
    model = get_spec("diracnet28_cifar").name
    measured = {"holdout": 0.1, "crop_padding": 2, "model": model}
    chosen = replace(RECIPES["cifar-short"], model=model)

    def found(name: str, **changes: Any) -> Recipe:
        return replace(search(name), model=model, **changes)

    assert found("full-fixed", holdout=0.0, epochs=chosen.epochs, precision="float32") == chosen
    assert found("long-bias-0.5", holdout=0.0, crop_padding=4, epochs=30) == chosen
    assert chosen.beta == 0.2 and chosen.bn_bias == 0.5
    assert found("norm-fixed", crop_padding=4) == found("full-fixed", epochs=20)
    assert found("norm-fixed") == found("rate-fixed")
    first = replace(RECIPES["fashion-mnist"], epochs=4, precision="bf16", **measured)
    assert first == found("recipe-muon")


def test_all_short_runs_of_a_size_had_the_same_pictures() -> None:
    paths = (*(path for path in LOGS if path.stem in SHORT_RUNS), *SEARCHES)
    runs = [json.loads(path.read_text(encoding="utf-8")) for path in paths]
    sizes = {run["preprocessing"]["size"] for run in runs}
    assert len({(run["preprocessing"]["size"], json.dumps(run["data"])) for run in runs}) == len(sizes) == 2


@pytest.mark.parametrize("path", SEARCHES, ids=lambda path: path.stem)
def test_a_search_was_measured_on_held_out_pictures_of_its_net(path: Path) -> None:
    found = json.loads(path.read_text(encoding="utf-8"))
    recipe = Recipe(**found["recipe"])
    assert found["measured_on"] == "held-out training pictures" and recipe.holdout == 0.1
    assert found["seed"] == 0 and len(found["history"]) == recipe.epochs
    assert Spec.from_dict(found["spec"]) == replace(get_spec(recipe.model), num_classes=10)
    assert found["net"] == ("ResNet" if path.stem.startswith("resnet-") else "DiracNet")
    title = from_log(found).title.replace("ResNet", "DiracNet")
    assert title in (DOCS / "recipes.md").read_text(encoding="utf-8")


def by_name(found: dict[str, Any], expected: Recipe) -> Recipe:
    """Return the recipe of a log; one whose teacher came from a file names none, and gets the expected name."""
    recipe = Recipe(**found)
    return recipe if recipe.teacher else replace(recipe, teacher=expected.teacher)


BESIDE = [path for path in LOGS if "-beside-" in path.stem]
ONCE = [path for path in BESIDE if tuple(path.stem.partition("-beside-")[2].split("-")) not in all_weights()]


@pytest.mark.parametrize("path", [path for path in BESIDE if path not in ONCE], ids=lambda path: path.stem)
def test_a_comparator_was_trained_as_its_checkpoint(path: Path) -> None:
    found = log(path.stem)
    net, _, key = path.stem.partition("-beside-")
    model, _, tag = key.partition("-")
    run = beside(net, model, tag, precision=found["recipe"]["precision"])
    weight = all_weights()[model, tag]
    assert by_name(found["recipe"], run.recipe).without_dirac_layers() == run.recipe
    assert found.get("teacher") == weight.provenance.get("teacher")
    assert found["preprocessing"] == weight.preprocessing.to_dict()
    assert found["data"] == weight.provenance["data_sha256"]
    assert found["seed"] == weight.provenance["seed"]
    # Several processes have BatchNorm see a part of the batch each.
    assert found["environment"]["processes"] == weight.provenance["environment"]["processes"]
    assert Spec.from_dict(found["spec"]) == weight.spec
    assert found["net"] == RECORDED[net]
    assert found["measured_on"] == "test pictures" and len(found["history"]) == run.recipe.epochs
    assert set(comparators(kept(DOCS), f"{model}:{tag}")) >= {net}


def test_a_comparator_of_a_net_that_is_no_longer_shipped_was_trained_as_it() -> None:
    names = {path.stem.partition("-beside-")[::2] for path in ONCE}
    for net, key in names - {("dirac", key) for _, key in names}:
        found, own = log(f"{net}-beside-{key}"), log(f"dirac-beside-{key}")
        expected = replace(Recipe(**own["recipe"]), precision=found["recipe"]["precision"])
        assert by_name(found["recipe"], expected).without_dirac_layers() == expected.without_dirac_layers()
        assert found.get("teacher") == own.get("teacher")
        for name in ("preprocessing", "data", "seed", "spec", "environment", "measured_on"):
            assert found[name] == own[name], name
        assert found["net"] == RECORDED[net] and len(found["history"]) == len(own["history"])
    assert all(key.replace("-", ":") in retired(kept(DOCS), {f"{m}:{t}" for m, t in all_weights()}) for _, key in names)
    assert names


def test_a_run_with_another_seed_or_start_is_otherwise_that_of_its_checkpoint() -> None:
    logs = kept(DOCS)
    for key in shipped():
        weight, place = get_weight(*key.split(":")), f"of-{key.replace(':', '-')}"
        runs = {}
        for seed in seeds(logs, key):
            found = log(f"seed{seed}-{place}")
            run = again(weight.model, weight.tag, seed, precision=found["recipe"]["precision"])
            runs[run] = found
        if other_start(logs, key):
            found = log(f"start-{place}")
            starts = {name: found["recipe"][name] for name in ("beta", "bn_bias", "precision")}
            runs[beside("dirac", weight.model, weight.tag, **starts)] = found
        for run, found in runs.items():
            assert by_name(found["recipe"], run.recipe) == run.recipe
            assert found.get("teacher") == weight.provenance.get("teacher") and found["seed"] == run.seed
            assert found["data"] == weight.provenance["data_sha256"] and found["net"] == "DiracNet"
            assert found["preprocessing"] == weight.preprocessing.to_dict() and found["measured_on"] == "test pictures"
            assert Spec.from_dict(found["spec"]) == weight.spec and len(found["history"]) == run.recipe.epochs


def test_a_net_that_is_no_longer_shipped_was_trained_again_with_its_recipe() -> None:
    shipped_now = {f"{model}-{tag}" for model, tag in all_weights()}
    names = [path.stem for path in LOGS if "-of-" in path.stem and path.stem.partition("-of-")[2] not in shipped_now]
    for name in names:
        kind, _, key = name.partition("-of-")
        found, own = log(name), log(f"dirac-beside-{key}")
        if kind == "start":  # another start is the point
            own["recipe"] |= {field: found["recipe"][field] for field in ("beta", "bn_bias")}
        else:
            assert found["seed"] == int(kind.removeprefix("seed")) != own.pop("seed")
        for part in (
            "recipe",
            "preprocessing",
            "data",
            "spec",
            "measured_on",
            "net",
            *(["seed"] if "seed" in own else []),
        ):
            assert found[part] == own[part], (name, part)
        assert found.get("teacher") == own.get("teacher") and len(found["history"]) == len(own["history"])
    assert names


def test_the_page_has_the_mean_and_the_spread_over_the_seeds() -> None:
    logs, checkpoints = kept(DOCS), shipped()
    key = "diracnet16_v1_cifar:cifar10"
    _, own = checkpoints[key]
    once = page(logs, checkpoints).partition("Trained with one seed only: ")[2]
    assert (key in once) == (not seeds(logs, key))
    more = {
        f"seed{seed}-of-{key.replace(':', '-')}": replace(own, metrics={"top1": own.top1 + gap})
        for seed, gap in ((2, 0.5), (1, -0.2))
    }
    text = page({**logs, **more}, checkpoints)
    first, precision = own.top1, own.recipe["precision"]
    listed = ", ".join(f"{seed}: {first + gap:.2f}% ({precision})" for seed, gap in enumerate((0, -0.2, 0.5)))
    assert f"| `{key}` | 0 | {listed} | {first + 0.1:.2f}% | 0.36 |" in text
    assert key not in text.partition("Trained with one seed only: ")[2]


def test_a_comparator_in_another_precision_is_said_to_be() -> None:
    logs, checkpoints = kept(DOCS), shipped()
    (key, (_, own)), resnet = next(iter(checkpoints.items())), logs["resnet8-beside-diracnet10_cifar-cifar10"]
    assert key == "diracnet10_cifar:cifar10" and own.recipe["precision"] == resnet.recipe["precision"] == "bf16"
    assert f"| `{key}` | {own.top1:.2f}% | ResNet-8 | " in page(logs, checkpoints)
    other = replace(resnet, recipe={**resnet.recipe, "precision": "float32"})
    text = page({**logs, "resnet8-beside-diracnet10_cifar-cifar10": other}, checkpoints)
    assert f"| `{key}` | {own.top1:.2f}% | ResNet-8, float32 | " in text
    assert beside("repvgg", *key.split(":"), precision="float32").recipe.precision == "float32"


@pytest.mark.parametrize(("gap", "where"), [(0.25, "above"), (-1.5, "below")])
def test_the_page_tells_where_a_net_ends_beside_its_repvgg(gap: float, where: str) -> None:
    checkpoints, name = shipped(), "repvgg-beside-diracnet10_x4_cifar-cifar10"
    logs = {key: run for key, run in kept(DOCS).items() if not key.startswith("repvgg-")}
    assert "- **Against RepVGG**: not measured.\n" in page(logs, checkpoints)
    own = checkpoints["diracnet10_x4_cifar:cifar10"][1]
    text = page({**logs, name: replace(own, net="RepVGG", metrics={"top1": own.top1 - gap})}, checkpoints)
    assert f"`diracnet10_x4_cifar:cifar10` ends {abs(gap):.2f} points {where} the RepVGG that folds" in text
    assert f"| `diracnet10_x4_cifar:cifar10` | {own.top1:.2f}% | RepVGG-10-4 | {own.top1 - gap:.2f}% |" in text


def test_a_net_that_is_replaced_keeps_its_logs(tmp_path: Path) -> None:
    shutil.copytree(DOCS / "paper", tmp_path / "paper")
    key, folder, checkpoints = "diracnet10_cifar:cifar10", tmp_path / "paper", shipped()
    _, own = checkpoints[key]
    resnet = json.loads((folder / "resnet8-beside-diracnet10_cifar-cifar10.json").read_text(encoding="utf-8"))
    resnet["metrics"]["top1"] = own.top1 + 1.38
    (folder / "resnet8-beside-diracnet10_cifar-cifar10.json").write_text(json.dumps(resnet))
    start = {**resnet, "net": "DiracNet", "recipe": {**resnet["recipe"], "beta": 0.25, "bn_bias": 1.0}}
    for kind in ("seed1", "start"):
        (folder / f"{kind}-of-diracnet10_cifar-cifar10.json").write_text(json.dumps(start))
    before = {path.stem for path in folder.glob("*diracnet10_cifar*.json")}
    retire(tmp_path, key, "short")
    names = {path.stem for path in folder.glob("*diracnet10_cifar*.json")}
    assert names == {f"{name}_short" for name in {*before, "dirac-beside-diracnet10_cifar-cifar10"}}
    logs = kept(tmp_path)
    text = page(logs, {name: one for name, one in checkpoints.items() if name != key})
    once, gone = "`diracnet10_cifar:cifar10_short`", "no longer shipped"
    assert f"| {once}, {gone} | {own.top1:.2f}% | ResNet-8 | {own.top1 + 1.38:.2f}% | -1.38 | no |" in text
    biased = "and a BatchNorm bias of"
    start_told = f"starting from beta 0.25 {biased} 1 instead of beta {own.recipe['beta']:g} {biased} 0, had"
    assert f"{once} trained again, {start_told} {own.top1 + 1.38:.2f}%, 1.38 points more: " in text
    old = logs["dirac-beside-diracnet10_cifar-cifar10_short"]
    assert replace(old, history=list(old.history), layers=list(old.layers)) == replace(
        own, history=list(own.history), layers=list(own.layers)
    )
    with pytest.raises(ValueError, match="exists already"):
        retire(tmp_path, key, "short")
    with pytest.raises(ValueError, match=r"diracnet10_cifar:none: no shipped net; there are diracnet10_cifar:cifar10"):
        retire(tmp_path, "diracnet10_cifar:none", "short")


def test_weights_that_began_with_others_have_no_comparator(monkeypatch: pytest.MonkeyPatch) -> None:
    tuned = replace(
        all_weights()["diracnet16_cifar", "cifar10"], provenance={"seed": 0, "init": {"weights": "trained"}}
    )
    monkeypatch.setattr("benchmarks.paper.runs.get_weight", lambda model, tag: tuned)
    with pytest.raises(ValueError, match="diracnet16_cifar:cifar10 was trained from other weights"):
        beside("resnet", "diracnet16_cifar", "cifar10")
    with pytest.raises(ValueError, match="diracnet16_cifar:cifar10 was trained from other weights"):
        again("diracnet16_cifar", "cifar10", 1)


def test_the_weights_that_taught_a_checkpoint_teach_its_comparator(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """From a file, where their name stands for others by now."""
    key = "diracnet16_cifar", "cifar10"
    run, own = beside("resnet", *key), all_weights()[key]
    assert taught(run, *key) == run
    file = tmp_path / "once.safetensors"
    shutil.copy(ROOT / "checkpoints" / "diracnet10_cifar" / "cifar10" / "dirac" / "model.safetensors", file)
    with pytest.raises(
        ValueError, match=r"once\.safetensors has weights \w{8}; diracnet16_cifar:cifar10 was taught by"
    ):
        taught(run, *key, file)
    once = {**own.provenance["teacher"], "digest": open_teacher(str(file)).digest()}
    monkeypatch.setattr(
        "benchmarks.paper.runs.get_weight", lambda model, tag: replace(own, provenance={"teacher": once})
    )
    with pytest.raises(ValueError, match=r"diracnet10_x4_cifar:cifar10 has weights .* give their file as the teacher"):
        taught(run, *key)
    found = taught(run, *key, file)
    assert found.teacher is not None and found.teacher.identity(own.preprocessing) == once and not found.recipe.teacher
    assert replace(found, recipe=run.recipe, teacher=None) == run


def test_a_net_that_nobody_taught_has_no_teacher_to_name() -> None:
    run = beside("resnet8", "diracnet10_cifar", "cifar10")
    assert taught(run, "diracnet10_cifar", "cifar10") == run
    with pytest.raises(ValueError, match=r"old\.safetensors: diracnet10_cifar:cifar10 had no teacher"):
        taught(run, "diracnet10_cifar", "cifar10", Path("old.safetensors"))


def test_a_seed_is_another() -> None:
    with pytest.raises(ValueError, match="seed=0: diracnet16_cifar:cifar10 itself was trained with it"):
        again("diracnet16_cifar", "cifar10", 0)
    run = again("diracnet10_cifar", "cifar10", 2, precision="float32")
    assert (run.net, run.seed, run.recipe.precision, run.recipe.beta) == ("dirac", 2, "float32", 0.5)
    assert again("diracnet10_cifar", "cifar10", 2).recipe.precision == "bf16"


@pytest.mark.parametrize(
    ("net", "starts", "message"),
    [
        ("vgg", {}, "net='vgg': allowed are dirac, plain, resnet"),
        ("resnet", {"bn_bias": 0.5}, "beta=0.0, bn_bias=0.5: resnet has no Dirac layers"),
    ],
)
def test_a_run_beside_a_checkpoint_that_makes_no_sense_is_refused(net: str, starts: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        beside(net, "diracnet16_cifar", "cifar10", **starts)


@pytest.mark.parametrize("spec", SPECS, ids=lambda spec: spec.name)
def test_a_plain_net_begins_with_the_weights_of_the_dirac_net(spec: Spec) -> None:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        dirac = DiracNet(spec)
        torch.manual_seed(0)
        other = plain(spec)
    assert not any(isinstance(module, DiracConv2d) for module in other.modules())
    ours, theirs = dirac.state_dict(), other.state_dict()
    assert set(ours) - set(theirs) == {name for name in ours if name.endswith((".alpha", ".beta"))}
    assert all(torch.equal(value, ours[name]) for name, value in theirs.items())
    assert other(torch.randn(2, 3, 64, 64)).shape == (2, spec.num_classes)


@pytest.mark.parametrize("spec", SPECS[:2], ids=lambda spec: spec.name)
def test_a_residual_net_has_the_depth_and_width_of_the_dirac_net(spec: Spec) -> None:
    def kernels(net: nn.Module) -> list[tuple[int, ...]]:
        shapes = [module.weight.shape for module in net.modules() if isinstance(module, (nn.Conv2d, DiracConv2d))]
        return sorted(tuple(shape) for shape in shapes if shape[2] > 1)

    net = ResNet(spec)
    assert kernels(net) == kernels(DiracNet(spec))
    sizes = []
    net.blocks.register_forward_hook(lambda module, given, result: sizes.append(result.shape[-2:]))
    assert net(torch.randn(2, 3, 64, 64)).shape == (2, spec.num_classes)
    assert sizes == [DiracNet(spec).forward_features(torch.randn(1, 3, 64, 64)).shape[-2:]]


def test_a_residual_block_without_its_branch_is_the_identity() -> None:
    net = ResNet(SPECS[0]).eval()
    block = net.blocks.group0block0
    nn.init.zeros_(block.conv2.weight)
    given = torch.randn(2, 8, 5, 5)
    assert torch.equal(block(given), given)


def test_a_repvgg_folded_has_the_shape_and_the_cost_of_the_dirac_net() -> None:
    net, other = fold(DiracNet(SPECS[0]).eval()), RepVGG(SPECS[0])
    blocks = list(other.blocks)
    ours = [module.weight.shape for module in net.modules() if isinstance(module, nn.Conv2d)]
    assert [block.conv3.weight.shape for block in blocks] == ours
    for block in blocks:  # as they would be after folding
        block.conv1, block.bn1, block.bn = nn.Identity(), None, None
        block.forward = block.conv3.forward
    assert multiply_adds(other, 32) == multiply_adds(net, 32)
    with pytest.raises(ValueError, match="diracnet18_x0_125: a RepVGG begins with a 3×3 convolution"):
        RepVGG(SPECS[1])


def test_a_repvgg_block_adds_its_three_branches() -> None:
    block = RepVGGBlock(4, 4).eval()
    given = torch.randn(2, 4, 5, 5)
    scale = (1 + block.bn.eps) ** -0.5  # of fresh statistics
    expected = (block.conv3(given) + block.conv1(given) + given) * scale
    torch.testing.assert_close(block(given), expected.relu())
    assert RepVGGBlock(4, 4, stride=2).bn is RepVGGBlock(4, 8).bn is None


def test_the_share_of_the_identity_is_that_of_the_scales() -> None:
    kept_runs, checkpoints = kept(DOCS), [run for _, run in shipped().values()]
    searched = {path.stem: from_log(json.loads(path.read_text(encoding="utf-8"))) for path in SEARCHES}
    for run in (*checkpoints, *(run for name, run in searched.items() if name.startswith("rate-"))):
        assert len(run.layers) == sum(group.blocks for group in run.spec.groups)
    for run in (*checkpoints, *kept_runs.values(), *searched.values()):
        assert all(0 <= layer.share <= 100 for layer in run.layers)
        assert not run.layers or len(run.layers) == sum(group.blocks for group in run.spec.groups)


def test_every_comparator_is_a_net_of_a_run() -> None:
    assert set(COMPARATORS) < set(NETS)
