"""Every script of `benchmarks`, `tools` and `examples` runs, on data as small as it allows."""

import io
import lzma
import os
import subprocess
import sys
import tarfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from skdevise import LabelVocabulary, datasets

ROOT = Path(__file__).parents[1]
FOLDERS = ("benchmarks", "tools", "examples")
WORDNET = next((p for p in map(Path, ("/usr/share/wordnet",)) if (p / "data.noun").exists()), None)

TABLES = ("1", "2", "3", "4", "5", "caltech", "generalized")
# Arguments of each script, and the constants that make it small. Names in braces are files below.
SCRIPTS = {
    "benchmarks/calibration.py": ["{vectors}", "N_ROUNDS=1; STEP=5; N_PHOTOS={{3: 1}}"],
    "benchmarks/cluster.py": ["--plan"],
    "benchmarks/defaults.py": ["{vectors}", "--n-seeds=1", "EPOCHS=(1, 2)", "LABEL_ALPHAS=(1.0,)",
                               "RULES={{'1 epoch': (1, {{'max_epochs': 1}})}}"],
    "benchmarks/featurizer.py": ["{photos}", "--rounds=1", "--compared=16"],
    "benchmarks/gpu.py": ["--small"],
    "benchmarks/hierarchy.py": ["--rounds=1", "N_PREDICTIONS=50"],
    "benchmarks/hubness.py": ["{vectors}", "N_FOLDS=1"],
    "benchmarks/label_coverage.py": ["N_NOUNS=100"],
    "benchmarks/photo_files.py": ["{photos}", "--rounds=1", "--threads=1", "N_PHOTOS=16"],
    "benchmarks/reproduce_paper.py": ["--quick", "--table", *TABLES, "N_CLASSES=60",
                                      "QUICK_STEP=8", "SETS=('2-hop',)"],
    "benchmarks/run_all.py": ["--only", "label_coverage"],
    "benchmarks/saving.py": ["--rounds=1", "N_LABELS=50; N_TREES=2"],
    "benchmarks/seen_penalty.py": ["N_CLASSES=(8,); N_PHOTOS=(3,); N_SPLITS=1"],
    "benchmarks/serving.py": ["--small"],
    "benchmarks/search.py": ["{vectors}", "--largest=2000", "N_LABELS=1000", "N_POINTS=64",
                             "N_SINGLE=8"],
    "benchmarks/skip_gram.py": ["{text}", "--words=20000", "--rounds=1", "--megabytes=0",
                                "N_TERMS=100"],
    "benchmarks/training.py": ["--rounds=1", "SHRINK=4"],
    "benchmarks/two_stages.py": ["{synsets}", "{vectors}", "SEEDS=range(1)"],
    "benchmarks/unknown_labels.py": ["N_CANDIDATES=(1, 3); N_DRAWS=2; N_FOLDS=1"],
    "benchmarks/vector_files.py": ["--terms=500", "--size=10", "--read=100", "--rounds=1"],
    "benchmarks/word_vectors.py": ["{text}", "--folder={folder}/vectors", "--glove={vectors}",
                                   "--workers=1", "SEEDS=range(1)"],
    "benchmarks/zero_shot_weights.py": [],
    "tools/installed_sizes.py": [],
    "tools/make_imagenet_labels.py": ["{ilsvrc2012}", "{fall11}", "DATA=Path('{folder}')"],
    "tools/make_saved_models.py": ["{folder}"],
    "tools/make_term_vectors.py": ["{text}", "DATA=Path('{folder}')"],
    "tools/mutants.py": ["_splits", "--every=30"],
    "tools/make_wordnet_table.py": [str(WORDNET), "DATA=Path('{folder}')"],
}  # fmt: skip
# They need a thousand photos, or are modules of other scripts.
NOT_RUN = {"tools/make_photo_features.py"} | {
    path.relative_to(ROOT).as_posix() for path in ROOT.glob("benchmarks/_*.py")
}
EXAMPLES = {path.relative_to(ROOT).as_posix(): [] for path in sorted(ROOT.glob("examples/*.py"))}
EXAMPLES["examples/serve.py"] = ["--port=0", "--seconds=1"]

# It imports a script, sets its constants, and runs it.
RUNNER = """
import importlib, sys
from pathlib import Path
script, constants = Path(sys.argv.pop(1)), sys.argv.pop(1)
sys.path.insert(0, str(script.parent))
sys.argv[0] = str(script)
module = importlib.import_module(script.stem)
exec(constants, globals_ := {"Path": Path})
for name in set(globals_) - {"Path", "__builtins__"}:
    assert hasattr(module, name), name
    setattr(module, name, globals_[name])
if hasattr(module, "main"):
    module.main()
"""


def add_photo(tar, name, seed):
    """Add a small photo to a tar file."""
    pixels = np.random.default_rng(seed).integers(0, 256, (64, 64, 3), dtype=np.uint8)
    photo = io.BytesIO()
    Image.fromarray(pixels).save(photo, "JPEG")
    member = tarfile.TarInfo(name)
    member.size = photo.tell()
    photo.seek(0)
    tar.addfile(member, photo)


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """Small files in the place of the large ones: dict of name to path."""
    folder = tmp_path_factory.mktemp("files")
    names = ("vectors.bin", "photos.tar", "synsets.tar", "text.txt.xz", "ilsvrc2012", "fall11")
    paths = {name.partition(".")[0]: folder / name for name in names}
    embedder, labels = datasets.load_term_vectors().embedder, datasets.load_imagenet_labels()
    embedder.save(paths["vectors"])
    synsets = LabelVocabulary(labels.ilsvrc2012).coverage(embedder).as_term
    with tarfile.open(paths["photos"], "w") as tar:
        for i in range(40):
            add_photo(tar, f"photos/class{i % 4}/{i}.jpg", i)
    with tarfile.open(paths["synsets"], "w") as tar:
        for part in ("train", "val"):
            for i, label in enumerate(np.repeat(synsets[:40], 3)):
                add_photo(tar, f"tiny-imagenet-200-sample/{part}/{label}/{i}.jpg", i)
    words = [term for term in embedder.terms_ if " " not in term][:3_000]
    text = np.random.default_rng(0).choice(words, (3_000, 20))
    with lzma.open(paths["text"], "wt") as file:
        file.write("\n".join(map(" ".join, text)))
    for name in ("ilsvrc2012", "fall11"):
        paths[name].write_text("\n".join(labels[name]))
    return paths


@pytest.mark.slow
def test_every_script_is_listed():
    found = {path.relative_to(ROOT).as_posix() for f in FOLDERS for path in ROOT.glob(f"{f}/*.py")}
    assert found == SCRIPTS.keys() | NOT_RUN | EXAMPLES.keys()


@pytest.mark.slow
@pytest.mark.parametrize("script", [*SCRIPTS, *EXAMPLES])
def test_a_script_runs(script, files, tmp_path):
    if script.endswith("make_wordnet_table.py") and WORDNET is None:
        pytest.skip("WordNet 3.0 is not installed.")
    for package in ("faiss", "matplotlib", "openvino", "h5py"):
        pytest.importorskip(package)
    arguments = [a.format(folder=tmp_path, **files) for a in (SCRIPTS | EXAMPLES)[script]]
    constants = "; ".join(argument for argument in arguments if argument[0].isupper())
    arguments = [argument for argument in arguments if not argument[0].isupper()]
    # A module that is still being imported cannot be unpickled in another thread, as Dask does.
    run = [ROOT / script] if script in EXAMPLES else ["-c", RUNNER, ROOT / script, constants]
    command = [sys.executable, *run, *arguments]
    environment = os.environ | {"PYTHONPATH": str(ROOT), "MPLBACKEND": "Agg"}
    done = subprocess.run(
        command, capture_output=True, text=True, cwd=tmp_path, env=environment, timeout=600
    )
    assert done.returncode == 0, done.stdout[-500:] + done.stderr[-3_000:]
