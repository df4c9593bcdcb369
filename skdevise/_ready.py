"""The zero-shot classifier that needs no training."""

from collections.abc import Sequence

import numpy as np
from sklearn.frozen import FrozenEstimator

from skdevise._typing import Embedder
from skdevise.datasets import load_imagenet_features, load_term_vectors
from skdevise.labels import Hierarchy
from skdevise.models import ClassifierWeightRegressor
from skdevise.vision import VisualFeaturizer


def load_zero_shot_classifier(
    embedder: Embedder | Sequence[Embedder] | None = None,
) -> ClassifierWeightRegressor:
    """Load a fitted classifier of photos, which answers with any labels.

    It is a `ClassifierWeightRegressor` over the softmax layer of EfficientNet-Lite0. It knows other
    labels from WordNet and the bundled word vectors. Everything works offline. The weights of the
    network come from the package of the extra ``demo``.

    Parameters
    ----------
    embedder : fitted term embedder or list of them, default=None
        Source of word vectors. None means the bundled vectors. Larger tables help slightly, and so
        does an `EncoderEmbedder` with a sentence encoder.

    Returns
    -------
    classifier : ClassifierWeightRegressor
        Classifier of photos, fitted on the 1,000 labels of ILSVRC-2012. Its methods also accept
        features that its `visual_` computed. ``set_params(reject_below=0.2)`` lets `predict` answer
        "unknown".

    Raises
    ------
    ImportError
        If the weights of the network are not installed.

    See Also
    --------
    ClassifierWeightRegressor : The estimator behind it, to fit on other networks and labels.

    Notes
    -----
    The network was trained on photos of the 1,000 labels, so only other labels are unseen. The
    classifier uses the hierarchy and the definitions of WordNet. If you report hierarchical
    precision, say so.

    A new fit keeps the 1,000 training labels. To train on photos of your own labels, replace the
    softmax layer: ``clone(classifier).set_params(classifier=LogisticRegression())``.

    Examples
    --------
    >>> from skimage.data import chelsea, rocket  # two photos
    >>> from skdevise import load_zero_shot_classifier
    >>> classifier = load_zero_shot_classifier()
    >>> classifier.predict([chelsea(), rocket()], labels=["cat", "rocket", "okapi"])
    array(['cat', 'rocket'], dtype='<U6')
    """
    # A published network is complete without a fit, which only checks the form of its photos.
    visual = VisualFeaturizer("efficientnet_lite0").fit([np.zeros((1, 1, 3), np.uint8)])
    photos = load_imagenet_features()
    classifier = ClassifierWeightRegressor(
        embedder=load_term_vectors().embedder if embedder is None else embedder,
        hierarchy=Hierarchy.wordnet(),
        visual=FrozenEstimator(visual),
    )
    return classifier.fit(photos.data, photos.target)
