"""`src.explain`: what layers and methods show, checked against what they are said to be."""

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn

from src.explain import METHODS
from src.net import attribution
from src.net.layers import filters_of, map_of, mapping_layers, named_layers
from src.net.torchvision import TorchvisionNet
from src.net.xai_vgg import XaiVGG
from tests.conftest import UNDRAWN, Command

NETS = {
    "xai_vgg": lambda: XaiVGG([3, 48, 48], 3),
    "resnet18": lambda: TorchvisionNet([3, 48, 48], 3, name="resnet18"),
    "vgg11": lambda: TorchvisionNet([3, 48, 48], 3, name="vgg11"),  # its activations work in place
}
OF_CAPTUM = ("saliency", "integrated_gradients", "occlusion", "grad_cam")


@pytest.fixture(params=NETS)
def net(request: pytest.FixtureRequest) -> nn.Module:
    torch.manual_seed(0)
    return NETS[request.param]().eval()


@pytest.fixture
def cat(tmp_path: Path) -> Path:
    """A picture with a bright square."""
    pixels = np.random.default_rng(0).integers(0, 99, (60, 80, 3), dtype=np.uint8)
    pixels[20:40, 30:50] += 150
    Image.fromarray(pixels).save(tmp_path / "cat [1], a.png")
    return tmp_path / "cat [1], a.png"


def image(size: int = 48) -> torch.Tensor:
    return torch.randn(1, 3, size, size, generator=torch.Generator().manual_seed(1))


def test_a_layers_map_is_what_the_rest_of_the_net_gets(net: nn.Module) -> None:
    x, layers = image(), named_layers(net)
    for name in mapping_layers(net, x):
        kept: list[torch.Tensor] = []
        hook = layers[name].register_forward_hook(lambda layer, inputs, output, kept=kept: kept.append(output.clone()))
        with torch.no_grad():
            net(x)
        hook.remove()
        assert torch.equal(map_of(net, name, x), kept[-1])


def test_the_first_map_is_the_convolution_of_the_image_also_where_an_activation_works_in_place() -> None:
    net, x = NETS["vgg11"]().eval(), image()
    convolution = net.get_submodule("net.features.0")
    shown = map_of(net, "features.0", x)
    torch.testing.assert_close(shown, nn.functional.conv2d(x, convolution.weight, convolution.bias, padding=1))
    assert (shown < 0).any()
    assert torch.equal(map_of(net, "net.features.0", x), shown)


def test_looking_at_a_net_leaves_nothing_in_it(net: nn.Module) -> None:
    mapping_layers(net, image())
    assert not any(module._forward_hooks for module in net.modules())


def test_integrated_gradients_add_up_to_the_difference_of_the_scores() -> None:
    pytest.importorskip("captum", reason="captum is not installed: pip install -e '.[explain]'")
    torch.manual_seed(0)
    net = nn.Sequential(nn.Conv2d(3, 4, 5), nn.Tanh(), nn.AvgPool2d(4), nn.Flatten(), nn.Linear(4 * 4 * 4, 3))
    x = image(20)
    for target in range(3):
        value = attribution.integrated_gradients(net, x, target=target)
        with torch.no_grad():
            difference = (net(x) - net(torch.zeros_like(x)))[0, target]
        torch.testing.assert_close(value.sum(), difference, rtol=1e-3, atol=1e-4)


def test_grad_cam_of_a_linear_layer_on_averaged_maps_is_the_class_activation_map() -> None:
    """Zhou et al. 2016, arXiv:1512.04150: the maps weighed by the class's weights; Grad-CAM divides by the area."""
    torch.manual_seed(0)
    features, linear = nn.Conv2d(3, 6, 5, padding=2), nn.Linear(6, 3)
    net, x = nn.Sequential(features, nn.AdaptiveAvgPool2d(1), nn.Flatten(), linear), image(20)
    with torch.no_grad():
        maps_CHW = features(x)[0]
        for target in range(3):
            by_hand = torch.einsum("c,chw->hw", linear.weight[target], maps_CHW).clamp(min=0) / 400
            found = attribution.grad_cam(net, x, target=target, layer="0")
            torch.testing.assert_close(found, by_hand, rtol=1e-4, atol=1e-6)


def test_saliency_of_a_linear_net_is_the_size_of_its_weights() -> None:
    pytest.importorskip("captum", reason="captum is not installed: pip install -e '.[explain]'")
    net, x = nn.Sequential(nn.Flatten(), nn.Linear(3 * 8 * 8, 2)), image(8)
    expected = net[1].weight[1].view(3, 8, 8).abs().sum(0)
    torch.testing.assert_close(attribution.saliency(net, x, target=1), expected.detach())


def test_occlusion_finds_the_patch_that_the_score_comes_from() -> None:
    pytest.importorskip("captum", reason="captum is not installed: pip install -e '.[explain]'")

    class Patch(nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return torch.stack([x[:, :, 8:16, 16:24].sum(dim=(1, 2, 3)), x.sum(dim=(1, 2, 3))], dim=1)

    value = attribution.occlusion(Patch(), torch.ones(1, 3, 32, 32), target=0)
    assert (value[8:16, 16:24] > 0).all()
    assert value[8:16, 16:24].mean() > 3 * value.mean()
    assert value[20:, :].abs().max() == value[:, 28:].abs().max() == 0


@pytest.mark.parametrize("method", OF_CAPTUM)
def test_every_method_gives_a_value_per_pixel_for_every_net(method: str, net: nn.Module) -> None:
    pytest.importorskip("captum", reason="captum is not installed: pip install -e '.[explain]'")
    x = image()
    layer = {"layer": mapping_layers(net, x)[-1]} if method == "grad_cam" else {}
    net.requires_grad_(False)  # a frozen net is explained as well
    value = getattr(attribution, method)(net, x, target=1, **layer)
    assert value.shape == (48, 48)
    assert value.isfinite().all()
    assert (value >= 0).all() == (method in ("saliency", "grad_cam"))


def test_a_binary_nets_logit_speaks_for_one_class_and_against_the_other() -> None:
    net = nn.Sequential(nn.Flatten(), nn.Linear(3 * 48 * 48, 1))
    score = attribution.Scores(net)(image())
    assert torch.equal(score[:, 1], net(image())[:, 0])
    assert torch.equal(score[:, 0], -score[:, 1])


def test_filters_are_the_weights_of_convolutions_and_of_what_sees_every_pixel() -> None:
    net = NETS["resnet18"]()
    assert torch.equal(filters_of(net, "conv1", [3, 48, 48]), net.net.conv1.weight)
    assert filters_of(net, "layer1.0.conv1", [3, 48, 48]).shape == (64 * 64, 1, 3, 3)
    assert torch.equal(filters_of(net, "layer1.0.conv1", [3, 48, 48])[65, 0], net.net.layer1[0].conv1.weight[1, 1])
    linear = nn.Sequential(nn.Flatten(), nn.Linear(2 * 8, 5))
    assert torch.equal(filters_of(linear, "1", [1, 2, 8])[3, 0], linear[1].weight[3].view(2, 8))


@pytest.mark.parametrize("method", METHODS)
def test_a_run_is_explained_by_every_method(method: str, train: Command, explain: Command, cat: Path) -> None:
    if method in OF_CAPTUM:
        pytest.importorskip("captum", reason="captum is not installed: pip install -e '.[explain]'")
    run = train("model=shallow_cnn", UNDRAWN, "trainer.max_epochs=1", "trainer.limit_train_batches=2").run
    ended = explain(f"run={run}", f"input={cat}", f"method={method}")
    assert (ended.code, ended.err) == (0, "")
    (picture,) = (run / "figures").glob(f"{method}*.png")
    assert str(picture.name) in ended.out
    with Image.open(picture) as shown:
        assert min(shown.size) > 100


def test_a_run_that_trained_is_explained_with_its_own_weights(finished: Path, explain: Command) -> None:
    """The picture of a softmax regression's filters changes with the weights, and with nothing else."""
    pictures = []
    for checkpoint in ("best", "best", "previous"):
        path = finished / "checkpoints" / f"{checkpoint}.ckpt"
        assert explain(f"run={finished}", "method=filters", f"checkpoint={path}").code == 0
        pictures.append((finished / "figures" / "filters_linear.png").read_bytes())
    assert pictures[0] == pictures[1]
    assert pictures[0] != pictures[2]


def test_a_net_without_a_run_is_explained_without_its_data(explain: Command, cat: Path, tmp_path: Path) -> None:
    ended = explain("model=resnet18", "data=catdog", "data.image_size=64", f"input={cat}", "out=there", "n=5")
    assert (ended.code, ended.err) == (0, "")
    assert [path.name for path in (tmp_path / "there" / "figures").iterdir()] == ["feature_maps_conv1_5_cat_1_a.png"]
    assert {path.name for path in tmp_path.iterdir()} == {cat.name, "there"}


def test_the_weights_of_a_run_are_what_a_net_without_a_run_starts_from(
    train: Command, explain: Command, tmp_path: Path
) -> None:
    run = train("model=shallow_cnn", UNDRAWN, "trainer.max_epochs=1", "trainer.limit_train_batches=2").run
    assert explain(f"run={run}", "method=filters").code == 0
    for name, weights in {"same": [f"model.weights={run}"], "other": []}.items():
        assert explain("model=shallow_cnn", *weights, "method=filters", f"out={name}").code == 0
    there, same, other = (
        (folder / "figures" / "filters_features.0.png").read_bytes()
        for folder in (run, tmp_path / "same", tmp_path / "other")
    )
    assert there == same
    assert there != other


def test_what_cannot_be_shown_is_a_line_each_and_the_rest_is_done(
    finished: Path, train: Command, explain: Command, cat: Path, tmp_path: Path
) -> None:
    run = train("model=shallow_cnn", UNDRAWN, "trainer.max_epochs=1", "trainer.limit_train_batches=2").run
    (tmp_path / "images").mkdir()
    cat.rename(tmp_path / "images" / "good.png")
    (tmp_path / "images" / "bad.png").write_text("no image")
    ended = explain(
        f"run={run}", "input=images", "layer=[features.1,features.9,head.0]", "method=[feature_maps,filters]"
    )
    lines = ended.err.splitlines()
    assert ended.code == 1
    assert all(line.startswith("error: ") for line in lines)
    assert sum("bad.png" in line for line in lines) == 3
    assert sum("layer=features.9: no such layer: did you mean features." in line for line in lines) == 2
    assert sum("no map with height and width, its output has shape [1, 576]" in line for line in lines) == 1
    assert sum("no filters to show: choose features.0" in line for line in lines) == 2
    assert [path.name for path in (run / "figures").glob("f*")] == ["feature_maps_features.1_good.png"]


def test_images_of_one_name_and_pictures_of_one_layer_are_files_of_their_own(
    train: Command, explain: Command, cat: Path, tmp_path: Path
) -> None:
    run = train("model=shallow_cnn", UNDRAWN, "trainer.max_epochs=1", "trainer.limit_train_batches=2").run
    for name in (
        "a/cat.png",
        "b/cat.png",
        "b/dog.png",
        "b/c_d.png",
        "b/c d.png",
        "b/e f.png",
        "b/e_f.png",
        "b_e_f.png",
    ):
        (tmp_path / "images" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "images" / name).write_bytes(cat.read_bytes())
    assert explain(f"run={run}", "input=images").out.count("picture: ") == 8
    assert len(list((run / "figures").glob("feature_maps_features.0*.png"))) == 8
    assert {"feature_maps_features.0_a_cat.png.png", "feature_maps_features.0_dog.png"} <= {
        path.name for path in (run / "figures").iterdir()
    }
    for settings in (("n=2",), ("n=3",), ("method=grad_cam", "target=3"), ("method=grad_cam", "target=4")):
        before = {path: path.read_bytes() for path in (run / "figures").iterdir()}
        assert explain(f"run={run}", "input=images/b/dog.png", "layer=features.0", *settings).code == 0
        after = {path: path.read_bytes() for path in (run / "figures").iterdir()}
        assert len(after) == len(before) + 1
        assert before.items() <= after.items()


BAD = {
    "no image": (["run=last"], ["input= is missing", "method=filters"]),
    "a method that is none": (
        ["run=last", "input=x.png", "method=gradcam"],
        ["method=gradcam", "did you mean grad_cam?"],
    ),
    "an image that is not there": (["run=last", "input=x.png"], ["input=x.png", "no such file"]),
    "a net without maps": (["run=last", "input={cat}"], ["no layer of OneLayer", "saliency"]),
    "a layer for a method of none": (
        ["run=last", "input={cat}", "method=saliency", "layer=linear"],
        ["layer=linear: method=saliency has none: leave it out, or choose feature_maps, filters or grad_cam"],
    ),
    "a class that is none": (["run=last", "input={cat}", "method=saliency", "target=cat"], ["target=cat", "0, 1, 2"]),
    "no channel": (["run=last", "input={cat}", "n=0"], ["n=0", "at least 1"]),
    "nowhere to write": (["input={cat}"], ["out= is missing"]),
    "a table": (["data=logic_gate", "model=mlp", "input={cat}", "out=there"], ["rows of a table"]),
    "weights that are not there": (["input={cat}", "out=there", "model.weights=x.ckpt"], ["x.ckpt", "does not exist"]),
    "a key of the net": (["input={cat}", "out=there", "model.net.dropuot=1"], ["dropuot"]),
}


@pytest.mark.parametrize(("arguments", "named"), BAD.values(), ids=BAD)
def test_bad_input_is_one_line(
    arguments: list[str], named: list[str], finished: Path, explain: Command, cat: Path
) -> None:
    before = sorted(finished.rglob("*.png"))
    error = explain(*(argument.format(cat=cat) for argument in arguments)).error
    for word in named:
        assert word in error
    assert sorted(finished.rglob("*.png")) == before


def test_without_captum_its_methods_say_what_to_install_and_the_others_work(
    finished: Path, explain: Command, cat: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import sys

    for name in ("captum", "captum.attr"):
        monkeypatch.setitem(sys.modules, name, None)
    error = explain("run=last", f"input={cat}", "method=saliency").error
    assert "captum" in error
    assert "[explain]" in error
    assert explain("run=last", "method=filters").code == 0
