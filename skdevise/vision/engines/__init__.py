"""Engines that run a net, the fastest first."""

from skdevise.vision.engines.choice import InferenceEngine

__all__ = ["InferenceEngine"]
