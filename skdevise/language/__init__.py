"""The language side: terms to unit vectors."""

from skdevise.language.encoders import EncoderEmbedder
from skdevise.language.pretrained import PretrainedEmbedder
from skdevise.language.random import RandomEmbedder
from skdevise.language.skip_gram import SkipGramEmbedder

__all__ = ["EncoderEmbedder", "PretrainedEmbedder", "RandomEmbedder", "SkipGramEmbedder"]
