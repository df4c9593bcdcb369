"""Training by two processes. This file is also the script that they run."""

import json
import os
import sys
from pathlib import Path

import numpy as np
import pytest
from skorch.callbacks import Callback
from torch import nn

from skdevise import DeViSEClassifier, PretrainedEmbedder, VisualFeaturizer

N_FEATURES, N_LABELS, VECTOR_SIZE = 12, 9, 6


class Table:
    """Features on disk, as far as a classifier can see, that count the rows which are read."""

    dtype = np.dtype(np.float32)

    def __init__(self, array):
        self.array, self.shape, self.n_read = array, array.shape, 0

    def __getitem__(self, rows):
        block = self.array[rows]
        self.n_read += len(block)
        return block


class PowerCut(Callback):
    def on_epoch_begin(self, net, **kwargs):
        if len(net.history) == 3:
            raise RuntimeError("power cut")


class Seeds(Callback):
    """Keep the seeds of the order and of the negatives."""

    def on_train_begin(self, net, **kwargs):
        generators = net.iterator_train__generator, net.bare_criterion.generator
        self.order, self.negatives = (generator.initial_seed() for generator in generators)


def tiny_net():
    return nn.Sequential(nn.AvgPool2d(4), nn.Flatten(), nn.Linear(12, N_FEATURES), nn.Linear(12, 2))


def problem(n_samples):
    rng = np.random.default_rng(0)
    words = [f"label{i}" for i in range(N_LABELS)]
    embedder = PretrainedEmbedder((words, rng.standard_normal((N_LABELS, VECTOR_SIZE))))
    y = np.arange(n_samples) % N_LABELS
    X = rng.standard_normal((N_LABELS, N_FEATURES))[y] + rng.standard_normal((n_samples, 12))
    photos = rng.integers(0, 255, (n_samples, 8, 8, 3), dtype=np.uint8)
    return embedder, X.astype(np.float32), photos, np.array(words)[y], rng.random(n_samples)


# Batches of 16: 53 = 3 * 16 + 5 leaves processes with 3 and 2 samples, 49 with 1 and none.
FITS = {
    "closed form": {"negatives": "all"},
    "one is left": {"negatives": "all", "n_samples": 49},
    "weights": {"negatives": "hardest", "weighted": True, "optimizer": "sgd", "lr": 0.05},
    "cosine": {"loss": "cosine", "lr_schedule": "linear"},
    "learned temperature": {"loss": "contrastive", "optimizer": "adam"},
    "learned labels": {"negatives": "all", "train_label_vectors": True},
    "early stopping": {"negatives": "all", "early_stopping": True, "n_iter_no_change": 1},
    "fine-tuning": {"negatives": "all", "finetune_epochs": 2, "finetune_lr": 0.05},
}


def fit(n_processes, n_samples=53, weighted=False, **params):
    """Fit with batches of 16 in all processes together: classifier."""
    embedder, X, photos, y, weight = problem(n_samples)
    if "finetune_epochs" in params:
        X = photos
        params |= {"visual": VisualFeaturizer(tiny_net, image_size=8, random_state=0)}
    clf = DeViSEClassifier(
        embedder,
        batch_size=16 // n_processes,
        distributed=n_processes > 1,
        device="cpu",
        **{"max_epochs": 4, "random_state": 0} | params,
    )
    return clf.fit(X, y, sample_weight=weight if weighted else None)


def results(clf):
    """Collect numbers that depend on all of the training: dict of lists."""
    found = {name: clf.history_[name].tolist() for name in clf.history_ if name != "dur"}
    found["coef"] = clf.coef_.ravel().tolist()
    # Rounding of the fine-tuned features changes which samples the second training lacks.
    if not clf.finetune_epochs:
        found["temperatures"] = [clf.temperature_, clf.unseen_temperature_]
    return found


def test_a_process_trains_on_its_part_of_each_batch():
    import torch

    from skdevise.training._distributed import PartialBatches
    from skdevise.training._net import TrainingSet

    data = TrainingSet(torch.arange(11.0)[:, None], np.arange(11), np.arange(11))
    parts = [
        list(PartialBatches(data, 2, torch.Generator().manual_seed(0), False, rank, 2))
        for rank in range(2)
    ]
    # Batches of four: two from each process. The last three samples are split in two and one.
    assert [[len(X) for X, _ in part] for part in parts] == [[2, 2, 2], [2, 2, 1]]
    rows = [X.ravel().tolist() for part in parts for X, _ in part]
    assert sorted(sum(rows, [])) == list(range(11))
    # The means over two samples and over one count equally, so 2 * 2 / 3 and 1 * 2 / 3.
    assert [part[-1][1][1][0].item() for part in parts] == pytest.approx([4 / 3, 2 / 3])


@pytest.mark.slow
def test_one_process_trains_as_if_it_were_not_distributed():
    alone, one = (fit(1).set_params(distributed=flag) for flag in (False, True))
    embedder, X, _, y, _ = problem(53)
    one.fit(X, y)
    np.testing.assert_array_equal(one.coef_, alone.coef_)
    assert one.history_.train_loss.tolist() == pytest.approx(alone.history_.train_loss.tolist())
    assert one.net_.module_.weight.shape == (VECTOR_SIZE, N_FEATURES)


def test_a_network_that_each_process_would_train_alone_is_refused():
    visual = VisualFeaturizer(tiny_net, weights=None)
    embedder, _, photos, y, _ = problem(10)
    with pytest.raises(ValueError, match="weights=None"):
        DeViSEClassifier(embedder, visual, distributed=True).fit(photos, y)


@pytest.fixture(scope="module")
def launched(tmp_path_factory):
    """Return the results of two processes: list of dict, and the folder of the checkpoints."""
    import subprocess

    folder = tmp_path_factory.mktemp("launched")
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone"]
    command += ["--nproc-per-node", "2", "--module", "tests.models.test_distributed", str(folder)]
    subprocess.run(command, check=True, timeout=300, cwd=Path(__file__).parents[2])
    return [json.loads((folder / f"{rank}.json").read_text()) for rank in range(2)], folder


@pytest.mark.slow
@pytest.mark.parametrize("name", FITS)
def test_two_processes_train_like_one_with_batches_twice_as_large(launched, name):
    (first, second), _ = launched
    assert first[name] == second[name]
    expected = results(fit(1, **FITS[name]))
    assert first[name].keys() == expected.keys()
    for key in expected:
        np.testing.assert_allclose(first[name][key], expected[key], rtol=1e-5, atol=1e-5)


@pytest.mark.slow
def test_processes_draw_the_same_order_and_different_negatives(launched):
    (first, second), _ = launched
    assert first["no seed"] == second["no seed"]
    assert first["order"] == second["order"]
    assert first["negatives"] != second["negatives"]


@pytest.mark.slow
def test_each_process_reads_half_of_the_rows_in_an_epoch(launched):
    alone = []
    for n_epochs in (1, 3):
        embedder, X, _, y, _ = problem(48)
        table = Table(X)
        DeViSEClassifier(embedder, max_epochs=n_epochs, random_state=0).fit(table, y)
        alone.append(table.n_read)
    for result in launched[0]:
        reads = result["reads"]
        assert reads[1] - reads[0] <= 0.6 * (alone[1] - alone[0])


@pytest.mark.slow
def test_the_first_process_writes_the_checkpoints_and_all_resume(launched):
    (first, second), folder = launched
    assert len(list((folder / "checkpoint").iterdir())) == 1
    assert first["written"]
    assert not second["written"]
    assert first["resumed"] == second["resumed"]
    assert first["resumed"] == first["whole"]


def main(folder):
    folder = Path(folder)
    found = {name: results(fit(2, **params)) for name, params in FITS.items()}
    seeds = Seeds()
    found["no seed"] = results(fit(2, random_state=None, callbacks=[seeds]))
    found["order"], found["negatives"] = seeds.order, seeds.negatives
    embedder, X, _, y, _ = problem(48)
    found["reads"] = []
    for n_epochs in (1, 3):
        table = Table(X)
        DeViSEClassifier(
            embedder, max_epochs=n_epochs, batch_size=8, random_state=0, distributed=True
        ).fit(table, y)
        found["reads"].append(table.n_read)

    found["whole"] = results(fit(2))
    written = []

    def watch(event, args):
        # A file is renamed when it is complete.
        if event == "os.rename" and "checkpoint" in str(args[1]):
            written.append(args[1])

    sys.addaudithook(watch)
    checkpoint = {"checkpoint": folder / "checkpoint"}
    try:
        fit(2, callbacks=[PowerCut()], **checkpoint)
    except RuntimeError:
        found["resumed"] = results(fit(2, **checkpoint))
    found["written"] = len(written)
    (folder / f"{os.environ['RANK']}.json").write_text(json.dumps(found))


if __name__ == "__main__":
    main(sys.argv[1])
