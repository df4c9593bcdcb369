"""Make term_vectors.npz in skdevise/datasets/data, and print the figures of its description.

python tools/make_term_vectors.py books-24m-tokens.txt.xz enwiki-8m-tokens.txt.xz

The vectors are trained on these texts only. WordNet supplies the multi-word terms and the list of
nouns. Its glosses are not used, because they would leak its hierarchy. The script takes about 20
minutes on one core, because training is reproducible with one thread only.
"""

import argparse
from pathlib import Path

import numpy as np

from skdevise import LabelVocabulary, SkipGramEmbedder
from skdevise.datasets import load_caltech101_features, load_imagenet_labels, load_wordnet_nouns
from skdevise.language._terms import words_of

DATA = Path(__file__).parents[1] / "skdevise" / "datasets" / "data"
N_TERMS = 27_000


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("texts", type=Path, nargs="+")
    texts = parser.parse_args().texts

    nouns = {term for terms in load_wordnet_nouns().terms for term in terms}
    caltech = load_caltech101_features().target_names.tolist()
    ilsvrc = LabelVocabulary(load_imagenet_labels().ilsvrc2012).terms
    embedder = SkipGramEmbedder(
        vector_size=100,
        window=10,
        sample=1e-4,
        max_epochs=5,
        terms=[*caltech, *sorted(term for term in nouns if len(words_of(term)) > 1)],
        random_state=0,
        verbose=1,
    ).fit(texts)

    # Keep the labels and their words first, then the most frequent nouns.
    labels = [*caltech, *(term for terms in ilsvrc for term in terms)]
    wanted = dict.fromkeys(
        key for label in labels for key in (" ".join(words_of(label)), *words_of(label))
    )
    row_of = {term: row for row, term in enumerate(embedder.vectors_.terms_)}
    rows = [row_of[term] for term in wanted if term in row_of]
    names = {" ".join(words_of(noun)) for noun in nouns} - set(wanted)
    rows += [row for term, row in row_of.items() if term in names][: N_TERMS - len(rows)]
    terms = [embedder.vectors_.terms_[row] for row in sorted(rows)]
    np.savez_compressed(
        DATA / "term_vectors.npz",
        terms=np.frombuffer("\n".join(terms).encode(), dtype=np.uint8),
        vectors=embedder.transform(terms).astype(np.float16),
    )

    print(f"{embedder.counts_.sum()} tokens of {len(embedder.counts_)} terms; {len(terms)} kept")
    trained = {" ".join(words_of(label)) for label in labels} & row_of.keys()
    first_terms = [terms[0] for terms in ilsvrc]
    for name, terms in {"Caltech-101": caltech, "ILSVRC-2012": first_terms}.items():
        has_vector = dict(zip(terms, embedder.has_vector(terms), strict=True))
        missing = [term for term in terms if not has_vector[term]]
        composed = [
            term for term in terms if has_vector[term] and " ".join(words_of(term)) not in trained
        ]
        print(
            f"{name}: {len(terms)} terms, {len(missing)} without a vector, {len(composed)} composed"
        )
        if name == "Caltech-101":
            print("composed:", composed)
            print("without a vector:", missing)


if __name__ == "__main__":
    main()
