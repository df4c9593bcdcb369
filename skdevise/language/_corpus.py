"""Text for training: documents, tokens, multi-word terms, and shards on disk."""

import os
from collections import Counter
from glob import glob
from io import TextIOWrapper
from itertools import chain
from pathlib import Path, PurePath

import pandas as pd

from skdevise._bounded import is_url, open_bounded, parsing
from skdevise.language._terms import check_terms, normalise_term, one_column, words_of

# gensim splits a line at blanks, so this character joins the words of a multi-word term.
JOINER = "\N{LOWER ONE EIGHTH BLOCK}"

# The model is saved after each shard: often enough to lose little, rarely enough to cost little.
SHARD_TOKENS = 5_000_000

# gensim trains on at most 10,000 words at once and skips the end of a line that exceeds them.
LINE_TOKENS = 1_000

# Longer lines of a file are read in parts, because some corpora are a single line.
LINE_CHARACTERS = 1_000_000

# The tokenizers of nltk that need no downloaded data.
_NLTK = {
    "casual": "TweetTokenizer",
    "toktok": "ToktokTokenizer",
    "treebank": "TreebankWordTokenizer",
    "wordpunct": "WordPunctTokenizer",
}
TOKENIZERS = frozenset({"words", *_NLTK})


# Documents and tokens


def read_documents(X, tokenize=words_of):
    """Yield each document of `X` as a list of lower-case tokens."""
    X = one_column(X)
    if not isinstance(X, Path) and (isinstance(X, dict) or not hasattr(X, "__iter__")):
        raise TypeError(f"X is a {type(X).__name__}. Pass a list of documents, or a path.")
    paths = _text_files(X)
    for document in X if paths is None else chain.from_iterable(map(_read_lines, paths)):
        yield tokenize(document) if isinstance(document, str) else lower_tokens(document)


def _text_files(X):
    """Return the files that `X` names, or None if `X` holds the documents themselves."""
    if isinstance(X, str | Path):
        return _files_below(X)
    if not isinstance(X, list | tuple) or not X:
        return None
    if all(isinstance(path, Path) or _is_address(path) for path in X):
        return [file for path in X for file in _files_below(path)]
    if all(isinstance(path, str) and os.path.isfile(path) for path in X):
        raise ValueError(
            f"Strings in a list are documents, but {X[0]!r} is the name of a file. Pass files as "
            "pathlib.Path objects."
        )
    return None


def _is_address(text):
    """Return whether a text is an address, such as "s3://bucket/text.txt.gz"."""
    return isinstance(text, str) and "://" in text and not any(map(str.isspace, text))


def _files_below(path):
    """Return the file itself, the files that a pattern matches, or those of a folder, sorted."""
    if os.path.isfile(path):
        return [path]
    if is_url(str(path)):
        files = _remote_files(str(path))
    elif "*" in str(path):
        files = sorted(filter(os.path.isfile, glob(str(path), recursive=True)))
    else:
        files = sorted(
            file
            for file in Path(path).rglob("*")
            if file.is_file() and not _is_hidden(file.relative_to(path))
        )
    if not files:
        raise FileNotFoundError(
            f"There is no text file at {str(path)[:200]!r}. Correct the path, or pass documents as "
            "a list of strings."
        )
    return files


def _remote_files(url):
    """Return the URL itself, those that a pattern matches, or those of a folder, sorted."""
    # Servers of web pages have no folders, and archives are named in one way only.
    if url.startswith(("http://", "https://")) or "::" in url:
        return [url]
    import fsspec

    system, path = fsspec.url_to_fs(url)
    if "*" in path:
        paths = filter(system.isfile, system.glob(path))
    elif system.isdir(path):
        paths = (p for p in system.find(path) if not _is_hidden(PurePath(p).relative_to(path)))
    else:
        return [url]
    return sorted(map(system.unstrip_protocol, paths))


def _is_hidden(path):
    """Return whether a file or one of its folders is hidden."""
    return any(part.startswith(".") for part in path.parts)


def _read_lines(path):
    """Yield the lines of a text file, which may be compressed."""
    with parsing(path, "Give text in UTF-8, or download the file again."):
        with open_bounded(path) as stream, TextIOWrapper(stream, encoding="utf-8-sig") as file:
            rest = ""
            while part := file.readline(LINE_CHARACTERS):
                line, rest = rest + part, ""
                if len(part) == LINE_CHARACTERS and " " in line:
                    line, _, rest = line.rpartition(" ")
                yield line.rstrip("\n")
            if rest:
                yield rest


def as_tokenizer(tokenizer):
    """Return a function that splits text into lower-case tokens."""
    if tokenizer == "words":
        return words_of
    split = tokenizer
    if not callable(tokenizer):
        import nltk.tokenize

        split = getattr(nltk.tokenize, _NLTK[tokenizer])().tokenize
    return lambda text: lower_tokens(split(text))


def lower_tokens(tokens):
    """Return a list of tokens in lower case."""
    if not isinstance(tokens, str | bytes):
        try:
            return [str.lower(token) for token in tokens]
        except TypeError:
            pass  # `tokens` is no iterable, or a token is no string.
    raise TypeError(
        f"A document is text or a list of tokens, got {repr(tokens)[:40]}. Convert it to str."
    )


# Multi-word terms and phrases


def terms_to_train(terms):
    """Return the distinct terms of a list, of a `LabelVocabulary`, or of "wordnet"."""
    if terms is None:
        return []
    if isinstance(terms, str):
        if terms != "wordnet":
            raise TypeError(f"terms={terms!r:.80} is not a list of terms. Pass one, or 'wordnet'.")
        from skdevise._bundled import load_wordnet_nouns

        nouns = dict.fromkeys(term for synset in load_wordnet_nouns().terms for term in synset)
        return [noun for noun in nouns if len(words_of(noun)) > 1]
    if isinstance(getattr(terms, "terms", None), tuple):  # a LabelVocabulary
        terms = [term for label_terms in terms.terms for term in label_terms]
    elif isinstance(terms, set | frozenset):
        terms = sorted(terms, key=str)
    return list(dict.fromkeys(check_terms(terms)))


def as_key(token):
    """Write a token without blanks, as it stands in the shards and in gensim's model."""
    return JOINER.join(token.split())


def as_term(key):
    """Write a key of gensim's model as a term."""
    return key.replace(JOINER, " ")


def find_spellings(terms, tokenize=words_of):
    """Return the keys {term: set of keys}, and the phrases to merge {tuple of tokens: key}."""
    keys_of, phrases = {}, {}
    for term in terms:
        words = words_of(term)
        # Token lists may keep punctuation that `words_of` drops, as in "in-line".
        spellings = {tuple(words), tuple(tokenize(term)), tuple(normalise_term(term).split())}
        keys = keys_of.setdefault(term, set())
        for spelling in spellings - {()}:
            key = as_key(spelling[0])
            if len(spelling) > 1:
                key = phrases[spelling] = as_key(" ".join(words or spelling))
            keys.add(key)
    return keys_of, phrases


class PhraseMerger:
    """Replace phrases {tuple of tokens: key} by their keys, from left to right, longest first."""

    def __init__(self, phrases):
        # Two look-ups settle most positions, which makes this twice as fast as nltk's
        # MWETokenizer.
        self._by_first = {}
        for phrase, key in sorted(phrases.items(), key=lambda item: -len(item[0])):
            by_second = self._by_first.setdefault(phrase[0], {})
            by_second.setdefault(phrase[1], []).append((list(phrase), key))

    def __call__(self, tokens):
        """Return the tokens with their phrases merged."""
        by_first = self._by_first
        starts = [
            i
            for i, token in enumerate(tokens[:-1])
            if token in by_first and tokens[i + 1] in by_first[token]
        ]
        merged, end = [], 0
        for i in starts:
            if i < end:
                continue
            for phrase, key in by_first[tokens[i]][tokens[i + 1]]:
                if tokens[i : i + len(phrase)] == phrase:
                    merged += tokens[end:i]
                    merged.append(key)
                    end = i + len(phrase)
                    break
        return merged + tokens[end:] if end else tokens


def learn_phrases(documents, min_count):
    """Return the pairs of tokens that gensim finds to be phrases: {(first, second): score}."""
    from gensim.models.phrases import Phrases

    learned = Phrases(documents, min_count=min_count, max_vocab_size=4_000_000, delimiter="\x1f")
    return {tuple(pair.split("\x1f")): score for pair, score in learned.export_phrases().items()}


def _pair_merger(phrases):
    """Return the merger of learned phrases {(first, second): score}."""
    pairs = [tuple(map(as_key, pair)) for pair in phrases]
    return PhraseMerger({pair: as_key(" ".join(pair)) for pair in pairs})


# Shards and the vocabulary


def write_shards(documents, folder, shard_tokens=SHARD_TOKENS, progress=None):
    """Write documents to text files; return {path: number of tokens} and a Counter of the keys."""
    folder.mkdir()
    shards, counts = {}, Counter()
    lines = filter(None, map(_as_keys, documents))
    keys = next(lines, None)
    while keys:
        path, n_tokens = folder / f"{len(shards):06d}.txt", 0
        with open(path, "w", encoding="utf-8", newline="\n") as file:
            while keys and n_tokens < shard_tokens:
                counts.update(keys)
                n_tokens += len(keys)
                for start in range(0, len(keys), LINE_TOKENS):
                    file.write(" ".join(keys[start : start + LINE_TOKENS]) + "\n")
                if progress is not None:
                    progress(len(keys))
                keys = next(lines, None)
        shards[path] = n_tokens
    return shards, counts


def _as_keys(document):
    """List the keys of the tokens of a document. Some tokens hold blanks, or are empty."""
    keys = " ".join(document).split()
    return keys if keys == document else [key for key in map(as_key, document) if key]


def read_shards(shards):
    """Yield the lines of some shards as lists of keys."""
    for path in shards:
        with open(path, encoding="utf-8", newline="\n") as file:
            for line in file:
                yield line.split()


def write_text(X, folder, *, tokenizer, terms, phrases, min_count, progress_bar):
    """Write the tokens of a text to shards, with terms and phrases merged.

    `phrases` are known ones, or True to learn them. Return the shards, the Counter of their keys,
    the keys of each term, and the phrases.
    """
    tokenize = as_tokenizer(tokenizer)
    keys_of, term_phrases = find_spellings(terms_to_train(terms), tokenize)
    documents = map(PhraseMerger(term_phrases), read_documents(X, tokenize))
    is_known = isinstance(phrases, dict)
    if is_known:
        documents = map(_pair_merger(phrases), documents)
    with progress_bar("counting terms") as bar:
        shards, counts = write_shards(documents, folder / "text", progress=bar.update)
    if phrases and not is_known:
        learned = learn_phrases(read_shards(shards), min_count)
        phrases = {(as_term(a), as_term(b)): score for (a, b), score in learned.items()}
        documents = map(_pair_merger(phrases), read_shards(shards))
        with progress_bar("merging phrases") as bar:
            shards, counts = write_shards(documents, folder / "phrases", progress=bar.update)
    return shards, counts, keys_of, phrases or {}


def choose_vocabulary(counts, wanted, min_count, max_vocab):
    """Return {key: count}, the most frequent first: all `wanted` keys, then the most frequent."""
    ranked = dict(counts.most_common())
    room = max_vocab - sum(key in wanted for key in ranked)
    frequent = [key for key, n in ranked.items() if n >= min_count and key not in wanted]
    chosen = {*wanted, *frequent[: max(room, 0)]}
    return {key: n for key, n in ranked.items() if key in chosen}


def coverage(keys_of, counts, vocabulary):
    """Return a DataFrame with the count of each term, and whether it is in the vocabulary."""
    rows = [
        (sum(counts[key] for key in keys), any(key in vocabulary for key in keys))
        for keys in keys_of.values()
    ]
    types = {"count": int, "has_own_vector": bool}
    return pd.DataFrame(rows, index=list(keys_of), columns=list(types)).astype(types)
