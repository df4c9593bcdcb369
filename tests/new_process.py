"""Steps whose imports and results `test_new_process.py` compares with those of a new process."""

import io
import json
import sys


def import_package():
    import skdevise

    return dir(skdevise)


def load_datasets():
    from skdevise import datasets

    datasets.make_shapes(1)
    return sorted(datasets.load_wordnet_nouns())


def fit_closed_forms():
    from skdevise import ESZSLClassifier, RidgeProjectionClassifier

    fitted = [
        kind().fit([[0, 1], [1, 0]], ["cat", "dog"])
        for kind in (RidgeProjectionClassifier, ESZSLClassifier)
    ]
    return [clf.predict([[0, 1]], labels=["yak"]).tolist() for clf in fitted]


def random_vectors():
    from skdevise import RandomEmbedder

    return RandomEmbedder(3, random_state=7).transform(["cat", "Ёж"]).tobytes().hex()


def skip_gram_vectors():
    from skdevise import SkipGramEmbedder

    embedder = SkipGramEmbedder(6, min_count=1, terms=["white shark"], random_state=0)
    embedder.fit(["The white shark swims in the sea.", "A whale swims in the sea, too."] * 4)
    return embedder.transform(["sea"]).tobytes().hex()


def construct_featurizer():
    from skdevise import VisualFeaturizer

    return repr(VisualFeaturizer())


def compute_features():
    from PIL import Image

    from skdevise import VisualFeaturizer

    Image.new("RGB", (40, 30)).save(file := io.BytesIO(), "JPEG")
    photos = [file.getvalue()]
    return VisualFeaturizer("efficientnet_lite0").fit(photos).transform(photos).shape[1]


def hash_network():
    from skdevise.vision._backbones import load_backbone
    from tests.vision.conftest import Power, brightness

    return load_backbone(Power(2), "DEFAULT", brightness).digest()


STEPS = [
    import_package, load_datasets, fit_closed_forms, random_vectors, skip_gram_vectors,
    construct_featurizer, compute_features, hash_network,
]  # fmt: skip


def main():
    """Print the result of each step, and all packages that are loaded after it."""
    answers = {}
    for step in STEPS:
        result = step()
        answers[step.__name__] = result, sorted({name.partition(".")[0] for name in sys.modules})
    print(json.dumps(answers))


if __name__ == "__main__":
    main()
