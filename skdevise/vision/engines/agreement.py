"""Whether an engine answers as the net does that it was made of."""

from itertools import chain

import numpy as np
import torch

# Relative distance of two rows of features: 1e-3 is a cosine of 0.9999995.
TOLERANCE = {"float32": 1e-3, "bfloat16": 1e-1}


def probes(shape, n=1):
    """Make photos of noise: (n, C, H, W) float32."""
    noise = torch.Generator().manual_seed(0)
    return torch.randn((n, *shape), generator=noise)


def answers(net, photos):
    """Features by the net as it is, where it is."""
    tensors = chain(net.parameters(), net.buffers())
    device = next((tensor.device for tensor in tensors), photos.device)
    with torch.no_grad():
        return net(photos.to(device)).numpy(force=True)


def agrees(features, expected, dtype):
    """Whether each photo's features are the expected ones, within what `dtype` can hold."""
    if features.shape != expected.shape or not np.isfinite(features).all():
        return False
    distance = np.linalg.norm(features - expected, axis=1)
    return bool((distance <= TOLERANCE[dtype] * np.linalg.norm(expected, axis=1) + 1e-6).all())
