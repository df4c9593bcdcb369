"""The HTML representation of estimators: its links to the documentation, and its size."""

from inspect import signature

import numpy as np
import pytest
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import Normalizer
from sklearn.utils import estimator_html_repr

import skdevise
from skdevise import PretrainedEmbedder, RandomEmbedder, RidgeProjectionClassifier

ESTIMATORS = [name for name in skdevise.__all__ if hasattr(getattr(skdevise, name), "fit")]


@pytest.fixture
def site(tmp_path, monkeypatch):
    """Metadata of an installed package whose documentation is published: its address."""
    folder = tmp_path / "skdevise-1.0.dist-info"
    folder.mkdir()
    lines = ["Metadata-Version: 2.4", "Name: skdevise", "Version: 1.0"]
    lines += ["Project-URL: Source, https://source.example"]
    lines += ["Project-URL: Documentation, https://docs.example/stable/"]
    (folder / "METADATA").write_text("\n".join(lines))
    monkeypatch.syspath_prepend(tmp_path)
    return "https://docs.example/stable"


@pytest.mark.parametrize("name", ESTIMATORS)
def test_every_estimator_links_to_its_page(name, site):
    cls = getattr(skdevise, name)
    required = [p for p in signature(cls).parameters.values() if p.default is p.empty]
    arguments = [{"cat": [1.0, 0.0]}] if name == "PretrainedEmbedder" else [None] * len(required)
    html = estimator_html_repr(cls(*arguments))
    assert f'href="{site}/api/generated/skdevise.{name}.html"' in html


def test_classes_of_users_have_no_link(site):
    class Mine(RandomEmbedder):
        """A class that our documentation does not describe."""

    assert site not in estimator_html_repr(Mine())


def test_a_fitted_pipeline_with_many_terms_stays_small():
    # scikit-learn's own style sheet and script have about 32,000 characters.
    rng = np.random.default_rng(0)
    terms = [f"term {i}" for i in range(20_000)]
    embedder = PretrainedEmbedder((terms, rng.standard_normal((20_000, 8)).astype(np.float32)))
    labels = np.array(terms)[:2_000]
    X, y = rng.standard_normal((300, 16)), np.repeat(labels[:100], 3)
    pipe = make_pipeline(Normalizer(), RidgeProjectionClassifier(embedder, labels=labels))
    assert len(estimator_html_repr(pipe.fit(X, y))) < 100_000
