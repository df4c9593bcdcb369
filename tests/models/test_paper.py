"""A finding of the paper, on real photos."""

from pathlib import Path

import pytest
from sklearn.model_selection import GridSearchCV

from skdevise import DeViSEClassifier, PretrainedEmbedder, VisualFeaturizer, datasets

DATA = Path(__file__).parents[3] / "shared/data"
PHOTOS = DATA / "tiny-imagenet-200-sample.tar"
GLOVE = DATA / "vectors/glove-6b-100d-subset.bin"


def features(part, step):
    """Features and WordNet ids of one in `step` photos of a part of the sample."""
    X, y = datasets.load_image_folder(PHOTOS, folder=part, return_X_y=True)
    X = [X[row] for row in range(0, len(y), step)]
    return VisualFeaturizer("efficientnet_lite0").fit_transform(X), y[::step]


@pytest.mark.slow
@pytest.mark.skipif(not PHOTOS.exists(), reason=f"needs {PHOTOS}")
def test_the_rank_loss_beats_distances_on_tiny_imagenet():
    # Section 3.2: "nearest neighbor evaluation is a ranking problem". An L2 loss ignores ranks.
    # The network has seen the 200 classes. Eight photos of each are for training, five for testing.
    # The learning rate of each loss is chosen on the training photos.
    (X, y), test = features("train", 10), features("val", 5)
    clf = DeViSEClassifier(PretrainedEmbedder.load(GLOVE), random_state=0)
    rates = [0.005, 0.02, 0.05, 0.1]
    grids = {loss: {"loss": [loss], "lr": rates} for loss in ("hinge_rank", "mse", "cosine")}
    hits = {}
    for name, grid in grids.items():
        search = GridSearchCV(clf, grid, cv=2).fit(X, y)
        hits[name] = search.score(*test)
        print(name, search.best_params_, round(hits[name], 3))
    assert hits["hinge_rank"] >= max(hits.values()), hits
    assert min(hits.values()) > 0.1  # Chance is 0.005.
