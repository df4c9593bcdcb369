"""Embedders, which turn terms into unit vectors."""

from skdevise.language._encoder import EncoderEmbedder
from skdevise.language._pretrained import PretrainedEmbedder
from skdevise.language._random import RandomEmbedder
from skdevise.language._skip_gram import SkipGramEmbedder

__all__ = ["EncoderEmbedder", "PretrainedEmbedder", "RandomEmbedder", "SkipGramEmbedder"]
