"""Read thousands of damaged files: ``python -m tests.fuzz PREFIX [N_CASES [FIRST_SEED]]``.

Each case is a small valid file that a seed changes. The reader must refuse it with the right error,
or give a usable answer. Where the file has checksums, the answer must be right. The process has
little memory, and ends if a case takes too long. `test_damage.py` runs the targets.
"""

import copy
import faulthandler
import gzip
import io
import json
import lzma
import struct
import sys
import tarfile
import time
import warnings
import zipfile
import zlib
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

MEMORY = 2**29  # bytes that all cases of a target may take beyond the imports
SECONDS = 60  # for one case, on a busy machine
CPU_SECONDS = 5

# --- Changes to bytes

_WORDS = [bytes(4), b"\xff" * 4, b"\xff\xff\xff\x7f", b"\0\0\0\x80", b"\0\0\0\x40", b"\1\0\0\0"]
_TEXTS = [
    b"NaN", b"-1", b"0", b"9" * 30, b"1e99", b"-inf", b"null", b"true", b'""', b"[]", b"{}",
    b"\0", b"\xff\xfe", b"\xed\xa0\x80", b"\r\n", b"\n\n", b",", b'"', b" ", b"::", b"../",
    b"\xef\xbb\xbf",
]  # fmt: skip


def change_bytes(content, rng):
    """Change bytes in one to three places."""
    content = bytearray(content)
    for _ in range(1 + rng.binomial(3, 0.15)):
        _change(content, rng)
    return bytes(content)


def _change(content, rng):
    if not content:
        content += b"\0"
    start, other = rng.integers(len(content), size=2).tolist()
    length = int(rng.integers(1, 2 ** rng.integers(1, 7)))
    part = slice(start, start + length)
    match rng.integers(12):
        case 0 | 1:
            content[start] ^= 1 << int(rng.integers(8))
        case 2:
            content[part] = rng.bytes(len(content[part]))
        case 3:
            del content[start:]
        case 4:
            del content[part]
        case 5:  # Exchange two blocks.
            content[part] = content[other : other + length]
        case 6:  # Repeat a block, such as a key, a line or a member.
            content[start:start] = content[other : other + length * 8] * int(rng.integers(1, 9))
        case 7:  # Set a length to an extreme.
            word = _WORDS[rng.integers(len(_WORDS))] * int(rng.integers(1, 3))
            content[start : start + len(word)] = word
        case 8:  # Replace a number of text.
            digits = [
                i for i in range(start, min(start + 200, len(content))) if 47 < content[i] < 58
            ]
            at = digits[0] if digits else start
            content[at : at + 1] = _TEXTS[rng.integers(len(_TEXTS))]
        case 9:
            content[start:start] = _TEXTS[rng.integers(len(_TEXTS))]
        case 10:  # Nest deeply.
            deep = [b"[", b'{"a":', b"(", b"a/", b"]"][rng.integers(5)]
            content[start:start] = deep * int(10 ** rng.uniform(0, 4.5))
        case 11:  # Make a long line.
            content[start:start] = content[start : start + 1] * int(10 ** rng.uniform(0, 5))


def recompressed(compress, decompress):
    """Return a change of the content of a compressed file, or of the file itself."""

    def change(content, rng):
        if rng.random() < 0.5:
            return change_bytes(content, rng)
        return compress(change_bytes(decompress(content), rng))

    return change


def change_png(content, rng):
    """Change the chunks of a PNG file, and correct their checksums."""
    if rng.random() < 0.5:
        return change_bytes(content, rng)
    made, at = content[:8], 8
    while at < len(content):
        (n,) = struct.unpack(">I", content[at : at + 4])
        chunk, at = content[at + 4 : at + 8 + n], at + 12 + n
        if rng.random() < 0.3:
            chunk = chunk[:4] + change_bytes(chunk[4:], rng)
        made += struct.pack(">I", len(chunk) - 4) + chunk + struct.pack(">I", zlib.crc32(chunk))
    return made


def change_tar(content, rng):
    """Change a tar file, and correct the checksums of its headers."""
    content = bytearray(change_bytes(content, rng))
    if rng.random() < 0.7:
        for at in range(0, len(content) - 511, 512):
            if content[at + 257 : at + 262] == b"ustar":
                content[at + 148 : at + 156] = b" " * 8
                content[at + 148 : at + 156] = b"%06o\0 " % sum(content[at : at + 512])
    return bytes(content)


# --- Changes to values

_ODD = [
    None, -1, 0, 2**31, 2**63, 1.5, float("nan"), float("inf"), "", "cat", "\0", "\ud800",
    "array_0", [], {}, {"is": "same", "of": 0}, [[1, 2]], True, ["a"], {"a": "b"},
]  # fmt: skip


def change_value(node, rng):
    """Replace a random part of nested lists and dicts by another part, or by an odd value."""
    places, parts = [], [node]
    while parts:
        part = parts.pop()
        for key, value in part.items() if isinstance(part, dict) else enumerate(part):
            places.append((part, key))
            if isinstance(value, dict | list):
                parts.append(value)
    if not places:
        return
    part, key = places[rng.integers(len(places))]
    if rng.random() < 0.5:
        part[key] = copy.deepcopy(_ODD[rng.integers(len(_ODD))])
    else:
        other, other_key = places[rng.integers(len(places))]
        part[key] = copy.deepcopy(other[other_key])


def change_json(content, rng):
    """Change the bytes or the values of a JSON file."""
    if rng.random() < 0.5:
        return change_bytes(content, rng)
    value = json.loads(content)
    for _ in range(rng.integers(1, 4)):
        change_value(value, rng)
    return json.dumps(value).encode()


def change_array(array, rng):
    """Return an array of another shape, type or range."""
    array = np.atleast_1d(array)
    changes = [
        lambda: array[:0],
        lambda: np.concatenate([array, array]),
        lambda: array.astype(np.float64),
        lambda: array.astype(np.int64) + 10**9,
        lambda: -array.astype(np.int64) - 1,
        lambda: np.full_like(array, np.iinfo(array.dtype).max if array.dtype.kind in "iu" else 1),
        lambda: np.full(array.shape, np.nan),
        lambda: array.ravel(),
        lambda: array[None],
        lambda: array[..., :1],
    ]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return np.array(changes[rng.integers(len(changes))](), order="C")


def change_model(content, rng):
    """Change the description or the arrays of a file of `skdevise.save`, with right checksums."""
    from safetensors.numpy import load, save

    from skdevise._tensors import digest

    arrays = load(content)
    stored = json.loads(arrays.pop("description").tobytes())
    for _ in range(rng.integers(1, 3)):
        if rng.random() < 0.5 or not arrays:
            change_value(stored["content"], rng)
        else:
            name = list(arrays)[rng.integers(len(arrays))]
            arrays[name] = change_array(arrays[name], rng)
    stored["checks"] = {key: digest(array) for key, array in arrays.items()}
    arrays["description"] = np.frombuffer(json.dumps(stored).encode(), dtype=np.uint8)
    return save(arrays, {"format": "skdevise 1", "sha256": digest(arrays["description"])})


def change_tensors(content, rng):
    """Change a safetensors file without checksums."""
    from safetensors.numpy import load, save

    if rng.random() < 0.5:
        return change_bytes(content, rng)
    arrays = load(content)
    name = list(arrays)[rng.integers(len(arrays))]
    arrays[name] = change_array(arrays[name], rng)
    return save(arrays)


# --- Valid files

TERMS = [f"term {i}" for i in range(12)]
MATRIX = np.random.default_rng(0).standard_normal((12, 8)).astype(np.float32)


def make_vectors(path):
    from skdevise import PretrainedEmbedder

    PretrainedEmbedder((TERMS, MATRIX)).save(path)


def make_glove(path):
    lines = [" ".join([f"t{i}", *map(str, row)]) for i, row in enumerate(MATRIX.tolist())]
    path.write_text("\n".join(lines))


def make_zipped_vectors(path):
    make_vectors(path.with_name("vectors.txt"))
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.write(path.with_name("vectors.txt"), "vectors.txt")


def make_other_tensors(path):
    from safetensors.numpy import save_file

    terms = np.frombuffer("\n".join(TERMS).encode(), dtype=np.uint8)
    ngrams = {"ngrams": MATRIX[:5], "ngram_lengths": np.array([3, 6])}
    save_file({"terms": terms, "vectors": MATRIX, **ngrams}, path)


def make_fasttext(path):
    from gensim.models import FastText
    from gensim.models.fasttext import save_facebook_model

    sentences = [["a", "cat", "and", "a", "dog"]] * 3
    save_facebook_model(FastText(sentences, vector_size=4, min_count=1, bucket=20), str(path))


def make_gensim(path):
    from gensim.models import KeyedVectors

    keyed = KeyedVectors(8)
    keyed.add_vectors(TERMS, MATRIX)
    keyed.save(str(path))


def make_vocabulary(path):
    from skdevise import LabelVocabulary

    labels = {"cat": ["cat", "true cat"], 7: ["seven"], "zebra": ["zebra"]}
    LabelVocabulary(labels, pool="mean", templates=["a photo of a {}"]).save(path)


def make_mapping(path):
    path.write_text('{"cat": ["cat", "true cat"], "zebra": "zebra", "emu": ["emu"]}')


def make_label_list(path):
    path.write_text("cat\nfire engine\n\nzebra\n")


def make_photo_table(path):
    for name in ("1.png", "2.png", "3.png"):
        path.with_name(name).write_bytes(photo("png"))
    path.write_text('path,label,note\n1.png,cat,"a, b"\n2.png,007,\n3.png,NA,c\n')


def make_edges(path):
    edges = [("animal", "cat"), ("animal", "dog"), ("dog", "beagle"), ("dog", 7), ("pet", "dog")]
    path.write_text(json.dumps(edges))


_SYNSETS = """\
  1 This is a small WordNet. Each name of eight characters becomes the offset of its line.
@animal@ 03 n 01 animal 0 002 ~ @@cat@@@ n 0000 ~ @@dog@@@ n 0000 | a living being
@@cat@@@ 05 n 02 cat 0 true_cat 0 001 @ @animal@ n 0000 | an animal; "the cat purrs"
@@dog@@@ 05 n 01 dog 0 001 @ @animal@ n 0000 | an animal that barks
"""


def make_wordnet(path):
    import nltk

    # nltk reads no other folders, and needs a folder of this name.
    nltk.data.path.append(str(path.parents[2]))
    path.parent.mkdir(parents=True)
    text = _SYNSETS
    index = "animal n @animal@\ncat n @@cat@@@\ndog n @@dog@@@\ntrue_cat n @@cat@@@\n"
    index = index.replace(" n ", " n 1 0 1 0 ")
    for name in ("@animal@", "@@cat@@@", "@@dog@@@"):
        offset = f"{text.index(chr(10) + name) + 1:08d}"
        text, index = text.replace(name, offset), index.replace(name, offset)
    path.write_text(text)
    path.with_name("index.noun").write_text(index)
    for kind in ("adj", "adv", "noun", "verb"):
        for name in (f"data.{kind}", f"index.{kind}", f"{kind}.exc"):
            path.with_name(name).touch()
    for name in ("cntlist.rev", "index.sense"):
        path.with_name(name).touch()
    lines = [f"{number:02d}\tname\t1\n" for number in range(45)]
    path.with_name("lexnames").write_text("".join(lines))


def photo(kind, size=(12, 9)):
    from PIL import Image

    pixels = np.random.default_rng(0).integers(256, size=(*size, 3), dtype=np.uint8)
    file = io.BytesIO()
    options = {"tiff": {"compression": "tiff_lzw"}}.get(kind, {})
    Image.fromarray(pixels).save(file, kind, **options)
    return file.getvalue()


def make_photo(path):
    path.write_bytes(photo(path.suffix[1:]))


def make_archive(path):
    names, content = ["cat/1.png", "dog/1.png", "dog/more/2.png"], photo("png", (2, 2))
    if path.suffix == ".zip":
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
            for name in names:
                archive.writestr(name, content)
        return
    with tarfile.open(path, "w:gz" if path.suffix == ".gz" else "w") as archive:
        for name in names:
            member = tarfile.TarInfo(name)
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))


def make_text(path):
    path.write_text("The cat sees a fire engine.\r\nThe zebra, too.\n\nÉtoile\n" * 3, "utf-8")


def make_compressed_text(path):
    make_text(path.with_suffix(""))
    path.write_bytes(gzip.compress(path.with_suffix("").read_bytes()))


def make_weights(path):
    import torch
    from safetensors.torch import save_file

    state = torch.nn.Sequential(torch.nn.Linear(3, 2), torch.nn.BatchNorm1d(2)).state_dict()
    save_file(state, path) if path.suffix == ".safetensors" else torch.save(state, path)


def make_space(path):
    from skdevise import LabelSpace, PretrainedEmbedder

    LabelSpace(TERMS[:3], PretrainedEmbedder((TERMS, MATRIX)).fit()).save(path)


def make_hierarchy(path):
    from skdevise import Hierarchy, save

    edges = [("animal", "cat"), ("animal", "dog"), ("dog", "beagle")]
    save(Hierarchy.from_edges(edges, {"cat": "an animal"}), path)


def make_model(name):
    """Return a function that saves a model of the files of earlier versions."""

    def make(path):
        from skdevise import load, save

        (*_, saved) = sorted(Path(__file__).with_name("data").glob("skdevise_*.safetensors"))
        save(load(saved)[name], path)

    return make


def make_cache(path):
    from skdevise import FeatureCache

    FeatureCache(path.parent).write("net", list("abcdefgh"), MATRIX[:8])
    assert path.exists()


def new_net():
    import torch

    from skdevise.training._net import TrainingNet

    torch.manual_seed(0)
    return TrainingNet.build(
        torch.nn.Linear(6, 3), torch.nn.CrossEntropyLoss(reduction="none"), optimizer="adam",
        lr=0.1, batch_size=2, callbacks=None, precision="float32", device="cpu", order_seed=0,
        verbose=0,
    )  # fmt: skip


def training_data():
    import torch

    from skdevise.training._net import TrainingSet

    return TrainingSet(torch.eye(6), range(6), [0, 1, 2, 0, 1, 2])


def make_checkpoint(path):
    from skdevise.training._checkpoint import Checkpoint

    new_net().train_epochs(training_data(), 1, checkpoint=Checkpoint(path.parent, path.stem))


def new_word_model():
    from skdevise import SkipGramEmbedder
    from skdevise.language._gensim import make_model

    params = SkipGramEmbedder(vector_size=4, random_state=1).get_params()
    return make_model({"cat": 3, "dog": 2, "emu": 1}, params)


def make_word_checkpoint(path):
    from skdevise.language._gensim import _save_checkpoint

    model = new_word_model()
    model.wv.vectors += 1
    _save_checkpoint(model, [0.5], 1, path)


# --- Readers. They return an answer to compare, or check that it can be used.


def read_vectors(path):
    from skdevise import PretrainedEmbedder

    embedder = PretrainedEmbedder.load(path, trusted=path.suffix == ".kv").fit()
    terms, matrix = embedder.terms_, embedder.vectors.matrix
    assert len(terms) == len(matrix) and len(set(terms)) == len(terms)
    assert np.isfinite(matrix).all()
    known = [term for term in terms if embedder.has_term([term or "x"])[0]][:20]
    if known:
        has_vector = embedder.has_vector(known)
        norms = np.linalg.norm(
            embedder.transform([t for t, h in zip(known, has_vector, strict=True) if h]), axis=1
        )
        np.testing.assert_allclose(norms, 1, rtol=1e-3)
    embedder.has_vector(["unknown words"])
    return list(terms), np.array(matrix)


def use_vocabulary(vocabulary):
    labels = vocabulary.labels.tolist()
    assert len(labels) == len(vocabulary.terms) == len(set(labels)) > 0
    assert all(isinstance(term, str) for terms in vocabulary.terms for term in terms)
    repr(vocabulary)
    hash(vocabulary)


def read_vocabulary(path):
    from skdevise import LabelVocabulary

    use_vocabulary(LabelVocabulary.load(path))


def read_mapping(path):
    """Read a mapping as users do, with `json`; its errors are not ours."""
    from skdevise import LabelVocabulary

    try:
        mapping = json.loads(path.read_bytes())
    except (ValueError, RecursionError):
        return
    if isinstance(mapping, dict | list):
        use_vocabulary(LabelVocabulary(mapping))


def read_label_list(path):
    from skdevise._command_line import _read_labels

    labels = _read_labels(str(path))
    assert labels and all(isinstance(label, str) and label for label in labels)


def read_photo_table(path):
    from skdevise.datasets import load_image_table

    photos = load_image_table(path)
    assert len(photos.data) == len(photos.target) > 0


def use_hierarchy(tree):
    labels = tree.labels.tolist()
    repr(tree)
    for label in labels[:3]:
        assert label not in tree.ancestors(label)
        assert tree.definition(label) is not None and isinstance(tree.terms(label), tuple)
        assert tree.correct_set(label, 2, labels) <= set(labels)
        assert tree.distance(label, labels[-1]) >= 0


def read_edges(path):
    from skdevise import Hierarchy

    try:
        edges = json.loads(path.read_bytes())
    except (ValueError, RecursionError):
        return
    if isinstance(edges, list):
        use_hierarchy(Hierarchy.from_edges(edges))


def read_wordnet(path):
    from nltk.corpus.reader import WordNetCorpusReader

    from skdevise import Hierarchy

    use_hierarchy(Hierarchy.from_nltk(WordNetCorpusReader(str(path.parent), None)))


def read_photo(path):
    from skdevise.vision._photos import Photos

    pixels = Photos([path]).pixels(0)
    assert pixels.shape[0] == 3 and min(pixels.shape) > 0 and pixels.dtype == np.uint8


def read_archive(path):
    from skdevise.datasets import load_image_folder
    from skdevise.exceptions import UnreadablePhotoError
    from skdevise.vision._photos import Photos

    for stored in load_image_folder(path, check=None).data:
        assert stored.url.endswith(f"::{path}") and stored.url.count("::") == 1
        try:
            Photos([stored]).pixels(0)
        except UnreadablePhotoError as error:
            assert str(path) in str(error)
            refuse_memory_errors(error)


def read_text(path):
    from skdevise.language._corpus import read_documents

    assert all(isinstance(token, str) for tokens in read_documents(path) for token in tokens)


def read_weights(path):
    import torch

    from skdevise.vision._backbones import read_state_dict

    net = torch.nn.Sequential(torch.nn.Linear(3, 2), torch.nn.BatchNorm1d(2))
    state = read_state_dict(path, net)
    if state.keys() == net.state_dict().keys():
        repr(state)


def read_space(path):
    from skdevise import LabelSpace

    answers = [LabelSpace.load(path, mmap).scores(MATRIX[:2]) for mmap in (False, True)]
    np.testing.assert_array_equal(*answers)
    return answers[0]


def read_model(path):
    from skdevise import load

    return load(path).predict_proba(np.eye(4))


def read_hierarchy(path):
    from skdevise import load

    tree = load(path)
    use_hierarchy(tree)
    return tree.labels, tree.graph.edges


def read_forged(path):
    """Load a hostile model. Predictions may fail, but must not crash."""
    from skdevise import Hierarchy, load

    model = load(path)
    try:
        if isinstance(model, Hierarchy):
            use_hierarchy(model)
        else:
            model.predict(np.eye(4), labels=["lynx", "lorry"])
    except Exception as error:
        refuse_memory_errors(error)


def read_forged_space(path):
    from skdevise import LabelSpace

    space = LabelSpace.load(path)
    try:
        space.nearest(MATRIX[:2], k=1)
    except Exception as error:
        refuse_memory_errors(error)


def read_cache(path):
    from skdevise import FeatureCache

    cache = FeatureCache(path.parent)
    found, features = cache.read("net", list("abcdefgh"), 8)
    np.testing.assert_array_equal(features, MATRIX[:8][found])
    cache.info()


def read_checkpoint(path):
    from skdevise.training._checkpoint import Checkpoint

    net = new_net()
    n_epochs = Checkpoint(path.parent, path.stem).resume(net, training_data(), None)
    return n_epochs, net.weights()[0]["weight"].numpy()


def read_forged_checkpoint(path):
    read_checkpoint(path)


def read_word_checkpoint(path):
    from skdevise.language._gensim import _resume

    model = new_word_model()
    losses, n_finished = _resume(model, path, 2)
    model.random.randint(9)
    return losses, n_finished, model.wv.vectors, model.syn1


def read_forged_word_checkpoint(path):
    read_word_checkpoint(path)


# --- Targets


@dataclass
class Target:
    """A kind of file, its reader, and the changes to it."""

    file: str
    make: Callable
    read: Callable
    n_cases: int
    change: Callable = change_bytes
    is_exact: bool = False  # whether accepted files must give the right answer
    errors: tuple = (ValueError,)
    names_file: bool = True
    is_bounded: bool = True  # whether a lack of memory is a fault


def _gz(change=change_bytes):
    return recompressed(lambda data: gzip.compress(data, 1), gzip.decompress)


_xz = recompressed(lambda data: lzma.compress(data, preset=0), lzma.decompress)
TENSORS = "m.safetensors"
TARGETS = {
    "vectors: text": Target("v.txt", make_vectors, read_vectors, 6000),
    "vectors: GloVe": Target("glove.txt", make_glove, read_vectors, 5000),
    "vectors: text, gz": Target("v.txt.gz", make_vectors, read_vectors, 4000, _gz()),
    "vectors: text, xz": Target("v.txt.xz", make_vectors, read_vectors, 1500, _xz),
    "vectors: text, zip": Target("v.zip", make_zipped_vectors, read_vectors, 3000),
    "vectors: word2vec": Target("v.bin", make_vectors, read_vectors, 6000),
    "vectors: word2vec, gz": Target("v.bin.gz", make_vectors, read_vectors, 2000, _gz()),
    "vectors: fastText": Target("ft.bin", make_fasttext, read_vectors, 5000),
    "vectors: gensim": Target("v.kv", make_gensim, read_vectors, 2000, is_bounded=False),
    "vectors: ours": Target("v.safetensors", make_vectors, read_vectors, 5000, is_exact=True),
    "vectors: safetensors": Target(
        "o.safetensors", make_other_tensors, read_vectors, 4000, change_tensors
    ),
    "labels: vocabulary": Target("l.json", make_vocabulary, read_vocabulary, 6000, change_json),
    "labels: mapping": Target(
        "m.json", make_mapping, read_mapping, 5000, change_json, errors=(ValueError, TypeError),
        names_file=False,
    ),
    "labels: list": Target("labels.txt", make_label_list, read_label_list, 3000),
    "labels: table": Target(
        "p.csv", make_photo_table, read_photo_table, 3000, errors=(ValueError, FileNotFoundError),
        names_file=False,
    ),
    "hierarchy: edges": Target(
        "e.json", make_edges, read_edges, 5000, change_json, names_file=False
    ),
    "hierarchy: WordNet": Target(
        "corpora/wordnet/data.noun", make_wordnet, read_wordnet, 2500, names_file=False
    ),
    "hierarchy: saved": Target(TENSORS, make_hierarchy, read_hierarchy, 1500, is_exact=True),
    "hierarchy: forged": Target(TENSORS, make_hierarchy, read_forged, 2000, change_model),
    "models: saved": Target(TENSORS, make_model("devise"), read_model, 3000, is_exact=True),
    "models: label space": Target(TENSORS, make_space, read_space, 2500, is_exact=True),
    "models: forged label space": Target(
        TENSORS, make_space, read_forged_space, 2000, change_model
    ),
    "models: weights": Target("w.pth", make_weights, read_weights, 2500),
    "models: safetensors": Target(
        "w.safetensors", make_weights, read_weights, 2000, change_tensors
    ),
    "checkpoints": Target("fit.safetensors", make_checkpoint, read_checkpoint, 2000, is_exact=True),
    "checkpoints: forged": Target(
        "fit.safetensors", make_checkpoint, read_forged_checkpoint, 1500, change_model
    ),
    "checkpoints: words": Target(
        "fit.safetensors", make_word_checkpoint, read_word_checkpoint, 1000, is_exact=True
    ),
    "checkpoints: forged words": Target(
        "fit.safetensors", make_word_checkpoint, read_forged_word_checkpoint, 1000, change_model
    ),
    "cache": Target("features-v3.sqlite", make_cache, read_cache, 3500, errors=(OSError,)),
    "archives: zip": Target("a.zip", make_archive, read_archive, 3500),
    "archives: tar": Target("a.tar", make_archive, read_archive, 3500, change_tar),
    "archives: tar.gz": Target("a.tar.gz", make_archive, read_archive, 1500, _gz()),
    "text": Target("t.txt", make_text, read_text, 2000),
    "text: gz": Target("t.txt.gz", make_compressed_text, read_text, 1000, _gz()),
}  # fmt: skip
for _kind in ("png", "jpeg", "gif", "tiff", "webp", "bmp", "ppm", "avif", "tga", "ico", "jpeg2000"):
    TARGETS[f"photos: {_kind}"] = Target(
        f"photo.{_kind}", make_photo, read_photo, 1000 if _kind in ("avif", "jpeg2000") else 1500,
        change_png if _kind == "png" else change_bytes,
    )  # fmt: skip
for _name in (
    "conse", "devise", "devise, random vectors", "direct similarity", "eszsl",
    "nearest class mean", "novelty switch", "pipeline", "ridge", "weight regression", "wsabie",
):  # fmt: skip
    TARGETS[f"models: forged, {_name}"] = Target(
        TENSORS, make_model(_name), read_forged, 400, change_model
    )


# --- The worker


def refuse_memory_errors(error):
    """Raise AssertionError if an error comes from a lack of memory, which hides a missing bound."""
    while error is not None:
        assert not isinstance(error, MemoryError), "MemoryError"
        error = error.__cause__ or error.__context__


def run_case(target, path, good, expected, seed):
    """Read one changed file: "read" or "refused"."""
    path.write_bytes(target.change(good, np.random.default_rng(seed)))
    try:
        answer = target.read(path)
    except target.errors as error:
        if target.is_bounded:
            refuse_memory_errors(error)
        if target.names_file:
            assert path.name in str(error) or "trusted" in str(error), error
        assert str(error).endswith("."), error  # Our messages are sentences.
        return "refused"
    if target.is_exact:
        np.testing.assert_equal(answer, expected)
    return "read"


def limit_memory():
    """Let this process allocate little more than it has."""
    import resource

    with open("/proc/self/statm") as file:
        n_bytes = int(file.read().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (n_bytes + MEMORY, resource.RLIM_INFINITY))


def run_target(name, target, n_cases, first_seed):
    """Run cases of a target, and print their outcomes. A fault ends the process."""
    import resource  # Windows does not have it.

    outcomes, slowest = Counter(), 0
    with TemporaryDirectory(prefix="skdevise-fuzz-") as folder:
        path = Path(folder, target.file)
        target.make(path)
        good = path.read_bytes()
        expected = target.read(path)
        limit_memory()
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        for seed in range(first_seed, first_seed + n_cases):
            # If the process crashes, the last line names the case.
            print(f"\r{name}, seed {seed}", end="", file=sys.stderr, flush=True)
            faulthandler.dump_traceback_later(SECONDS, exit=True)
            start = time.process_time()
            outcomes[run_case(target, path, good, expected, seed)] += 1
            slowest = max(slowest, time.process_time() - start)
            assert slowest < CPU_SECONDS
        faulthandler.cancel_dump_traceback_later()
        resource.setrlimit(resource.RLIMIT_AS, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    grown = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024
    print(
        f"{name}: {outcomes['read']} read, {outcomes['refused']} refused, slowest "
        f"{slowest:.3f} s, memory +{grown:.0f} MB",
        flush=True,
    )


def main(prefix, n_cases=None, first_seed=0):
    """Run the targets whose names begin with a prefix."""
    warnings.simplefilter("ignore")
    faulthandler.enable()
    for name, target in TARGETS.items():
        if name.startswith(prefix):
            run_target(name, target, n_cases or target.n_cases, first_seed)


if __name__ == "__main__":
    main(sys.argv[1], *map(int, sys.argv[2:]))
