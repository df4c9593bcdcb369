"""Zero-shot prediction of 62 Caltech-101 classes, after training on one photo per ImageNet class.

python benchmarks/caltech101_unseen.py glove-6b-100d-subset.bin

Neither the network nor the classifier was trained on one of the 62 classes or on a synonym. The
features are bundled. The training labels are synset ids. The target of each is the vector of its
first term.
"""

import argparse
from pathlib import Path

import numpy as np
from _common import percent, print_machine, print_table

from skdevise import DeViSEClassifier, LabelVocabulary, PretrainedEmbedder, RandomEmbedder, datasets
from skdevise.metrics import hit_at_k

SEEDS = range(5)
KS = (1, 2, 5, 10)
SYSTEMS = {
    "first_violation": {},
    "all": {"negatives": "all"},
    "first_violation, CSLS": {"hubness": "csls"},
    "first_violation, inverted softmax": {"hubness": "inverted_softmax"},
}


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("vectors", type=Path)
    imagenet, caltech = datasets.load_imagenet_features(), datasets.load_caltech101_features()
    unseen = caltech.target_names[caltech.split == "unseen"]
    embedders = {
        "GloVe 6B 100-d": PretrainedEmbedder.load(parser.parse_args().vectors),
        "bundled 100-d": datasets.load_term_vectors().embedder,
        "random 500-d": RandomEmbedder(),
    }
    synsets = LabelVocabulary(imagenet.target)
    rows, without_vector = [], []
    for name, embedder in embedders.items():
        has_vector = embedder.has_vector(unseen)
        labels = unseen[has_vector]
        tested = np.isin(caltech.target, labels)
        X, y = caltech.data[tested], caltech.target[tested]
        trained = ~np.isin(imagenet.target, synsets.coverage(embedder).missing)
        if not has_vector.all():
            without_vector.append(f"{name}: {', '.join(unseen[~has_vector])}")
        for system, params in SYSTEMS.items():
            runs = []
            for seed in SEEDS:
                clf = DeViSEClassifier(embedder, random_state=seed, **params)
                clf.fit(imagenet.data[trained], imagenet.target[trained])
                top = clf.predict_top_k(X, k=10, labels=labels)
                runs.append([hit_at_k(y, top, k) for k in KS])
            sizes = [trained.sum(), len(labels), len(X)]
            rows.append([f"{name}, {system}", *sizes, *percent(runs)])
    rows.append(["chance", "", len(unseen), "", *percent([[k / len(unseen) for k in KS]])])
    header = ["vectors, system", "trained on", "candidates", "photos"]
    print_table(header + [f"hit@{k}" for k in KS], rows)
    print(f"\nClasses without a vector, which are left out: {'; '.join(without_vector)}.")
    print(f"Means of {len(SEEDS)} seeds, in percent.")
    print_machine()


if __name__ == "__main__":
    main()
