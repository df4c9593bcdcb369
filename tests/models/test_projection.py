import numpy as np
import pytest
import torch
from torch import nn

from skdevise.models._projection import make_projection


def test_the_linear_projection_has_no_bias_and_starts_from_zero():
    module = make_projection("linear", 3, 2, "hinge_rank")
    assert [tuple(parameter.shape) for parameter in module.parameters()] == [(2, 3)]
    assert module.weight.abs().max() == 0
    # A cosine has no gradient at zero.
    assert make_projection("linear", 3, 2, "cosine").weight.abs().max() > 0


def test_the_mlp_is_the_head_of_the_keras_recipe():
    # Dropout 0.3, 1,024 ReLU units, batch norm, d: (8 + 1) 1024 + 2 * 1024 + (1024 + 1) 5.
    module = make_projection("mlp", 8, 5, "hinge_rank")
    assert sum(p.numel() for p in module.parameters()) == 9 * 1024 + 2 * 1024 + 1025 * 5
    assert module[0].p == 0.3
    assert module(torch.rand(4, 8)).shape == (4, 5)


class ReturnsTuple(nn.Linear):
    def forward(self, X):
        return super().forward(X), X


@pytest.mark.parametrize(
    ("projection", "expected"),
    [
        (lambda n, d: nn.Linear(n, 3), r"\(2, 5\)"),
        (ReturnsTuple, r"\(2, 5\)"),
        (lambda n, d: "linear", "nn.Module"),
        (nn.Linear(8, 5), "nn.Module"),
        (lambda n: nn.Linear(n, 5), "projection=.* 2 were given"),
        (lambda n, d: nn.Linear(d, n), "projection=.* 8 features"),
        (lambda n, d: nn.Identity(), r"\(2, 5\)"),
        (lambda n, d: nn.AdaptiveAvgPool1d(d), "no parameters"),
    ],
    ids=["size", "tuple", "text", "module", "one argument", "swapped", "identity", "untrainable"],
)
def test_a_projection_of_the_wrong_form_is_refused(projection, expected):
    with pytest.raises((TypeError, ValueError), match=expected):
        make_projection(projection, 8, 5, "mse")


def test_a_projection_can_be_created_in_a_given_state():
    state = {"weight": np.ones((2, 3), dtype=np.float32)}
    assert make_projection("linear", 3, 2, "mse", state).weight.sum() == 6
    with pytest.raises(ValueError, match="4 features and 2-dimensional"):
        make_projection("linear", 4, 2, "mse", state)
