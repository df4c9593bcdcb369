"""Training time of an epoch, compared with a bare PyTorch loop and plain skorch.

python benchmarks/training.py

Each loop runs in one thread. The figures are ratios of CPU time, and the loops take turns. Our loop
is the one inside `DeViSEClassifier.fit`; the preparation of `fit` is not timed. The other loops
compute the scores of all labels, choose a random violating label for each example, and use
automatic differentiation. The table also gives the fraction of false labels that violate the margin
before the timed epoch, and the fraction of examples with such a label. The last line compares a
grid search with single fits.
"""

import argparse
import time
from copy import deepcopy

import numpy as np
import torch
from _common import print_machine, print_table, spread
from sklearn.model_selection import GridSearchCV, StratifiedKFold
from sklearn.preprocessing import normalize
from skorch import NeuralNet
from threadpoolctl import threadpool_limits

from skdevise import DeViSEClassifier, PretrainedEmbedder
from skdevise.training._net import TrainingSet, place_features

MARGIN, LR = 0.1, 0.02
_N_FITTED = 20_000
SHRINK = 1  # divisor of the numbers of samples, for a quick test of this script


def problem(n, n_features, vector_size, n_labels, n_negatives=0, *, noise, shared=0.0, seed=0):
    """Draw features around a random linear image of the label vectors: X, y and the vectors.

    Some examples violate the margin even after training. Either `noise` is large compared with the
    centres, which have length one, or 20 examples share the same features.
    """
    rng = np.random.default_rng(seed)
    vectors = normalize(rng.standard_normal((n_labels + n_negatives, vector_size)))
    vectors = vectors.astype(np.float32)
    y = rng.integers(n_labels, size=n)
    mix = rng.standard_normal((vector_size, n_features)) / np.sqrt(n_features)
    X = rng.standard_normal((n, n_features), dtype=np.float32)
    X *= noise / np.sqrt(n_features)
    X = normalize(X + vectors[y] @ mix.astype(np.float32))
    n_shared = round(shared * n) // 20 * 20
    X[:n_shared] = np.repeat(X[:n_shared:20], 20, axis=0)
    return X, y, vectors


class Bilinear(torch.nn.Module):
    """A linear map in plain PyTorch."""

    def __init__(self, n_features, vector_size):
        super().__init__()
        self.weight = torch.nn.Parameter(torch.zeros(vector_size, n_features))

    def forward(self, X):
        return X @ self.weight.T


class FullMatrixLoss(torch.nn.Module):
    """The truncated hinge rank loss on the scores of all labels."""

    def __init__(self, vectors):
        super().__init__()
        self.register_buffer("vectors", torch.as_tensor(vectors))

    def forward(self, points, target):
        scores = points @ self.vectors.T
        true = scores.gather(1, target[:, None])
        with torch.no_grad():
            violates = scores > true - MARGIN
            violates.scatter_(1, target[:, None], False)
            first = (torch.rand_like(scores) * violates).argmax(dim=1, keepdim=True)
            any_violates = violates.any(dim=1)
        losses = (MARGIN - true + scores.gather(1, first)).squeeze(1)
        return losses.clamp_min(0)[any_violates].sum() / len(points)


class BareLoop:
    """A training loop in plain PyTorch, with all data on one device."""

    def __init__(self, X, y, vectors, batch_size, device="cpu"):
        self.X, self.y = torch.from_numpy(X).to(device), torch.from_numpy(y).to(device)
        self.batch_size = batch_size
        self.module = Bilinear(X.shape[1], vectors.shape[1]).to(device)
        self.loss = FullMatrixLoss(vectors).to(device)
        self.optimizer = torch.optim.Adagrad(self.module.parameters(), lr=LR)

    def epoch(self):
        order = torch.randperm(len(self.X), device=self.X.device)
        for rows in order.split(self.batch_size):
            self.optimizer.zero_grad()
            loss = self.loss(self.module(self.X[rows]), self.y[rows])
            loss.backward()
            self.optimizer.step()


class PlainSkorch:
    """The same map in skorch, with its default loader."""

    def __init__(self, X, y, vectors, batch_size):
        self.data = X, y
        self.net = NeuralNet(
            Bilinear,
            module__n_features=X.shape[1],
            module__vector_size=vectors.shape[1],
            criterion=FullMatrixLoss,
            criterion__vectors=vectors,
            optimizer=torch.optim.Adagrad,
            lr=LR,
            batch_size=batch_size,
            iterator_train__shuffle=True,
            train_split=None,
            verbose=0,
        ).initialize()

    def epoch(self):
        self.net.partial_fit(*self.data, epochs=1)


class Ours:
    """An epoch of `DeViSEClassifier.fit`."""

    def __init__(self, X, y, vectors, batch_size, device="cpu", **params):
        names = np.arange(len(vectors)).astype(str)
        self.clf = DeViSEClassifier(
            PretrainedEmbedder((names.tolist(), vectors)),
            feature_scaling="none",
            negative_labels=names,
            margin=MARGIN,
            lr=LR,
            batch_size=batch_size,
            max_epochs=0,
            device=device,
            random_state=0,
            **params,
        ).fit(X[:_N_FITTED], y[:_N_FITTED].astype(str))  # It only prepares the net.
        self.data = self._training_set(X, y, torch.device(device))

    def _training_set(self, X, y, device):
        targets = np.searchsorted(self.clf.classes_, y.astype(str))
        features = place_features(torch.from_numpy(X), device)
        return TrainingSet(features, np.arange(len(X)), targets)

    def epoch(self):
        self.clf.net_.train_epochs(self.data, 1)


def cpu_time(run):
    """Measure the CPU seconds of a call."""
    start = time.process_time()
    run()
    return time.process_time() - start


def violating_share(ours, n=500):
    """Compute the fraction of violating false labels, and of examples that have one."""
    net, data = ours.clf.net_, ours.data
    rows = torch.arange(0, len(data), -(-len(data) // n))
    vectors, target = net.criterion_.vectors, data.targets[rows]
    with torch.no_grad():
        scores = net.module_(data.source[rows]) @ vectors.T
    violates = scores > scores.gather(1, target[:, None]) - MARGIN
    violates.scatter_(1, target[:, None], False)
    return violates.float().mean().item(), violates.any(dim=1).float().mean().item()


def compare(title, sizes, batch_size, others, rounds, **options):
    """Measure rows of the table: the first epoch, the third, and epochs after training."""
    data = problem(*sizes, **options)
    loops = [Ours(*data, batch_size)] + [kind(*data, batch_size) for kind in others]
    rows = []
    for epoch, n_before in ((1, 0), (3, 1), (20, 16)):
        for loop in loops:
            for _ in range(n_before):
                loop.epoch()
        ratios, our_times = [], []
        shares = violating_share(loops[0])
        for _ in range(1 if epoch < 20 else rounds):
            ours, *others_times = (cpu_time(loop.epoch) for loop in loops)
            ratios.append([ours / other for other in others_times])
            our_times.append(ours)
        columns = [spread(column) for column in np.transpose(ratios)]
        n, n_features, vector_size, n_labels = sizes[:4]
        row = [
            f"{title}, {batch_size}: epoch {epoch}",
            f"{100 * shares[0]:.1f} %",
            f"{100 * shares[1]:.0f} %",
            *columns,
        ]
        if len(sizes) == 4:
            # Matrix products of the points, of all scores, and of the gradient.
            products = 2 * n * vector_size * (n_features + n_labels + shares[1] * n_features)
            row.append(f"{products / np.median(our_times) / peak():.2f}")
        rows.append(row + [""] * (6 - len(row)))
        print(f"  {rows[-1]}", flush=True)
    return rows


def peak(size=2_048):
    """Measure the operations per second of a large matrix product in one thread."""
    if not hasattr(peak, "found"):
        a = torch.rand(size, size)
        peak.found = 2 * size**3 / min(cpu_time(lambda: a @ a) for _ in range(5))
    return peak.found


def compare_grid_search():
    """Divide the time of a grid search by that of its 18 fits and scores."""
    X, y, vectors = problem(6_000 // SHRINK, 256, 100, 200, noise=4.0)
    y = y.astype(str)
    names = np.arange(len(vectors)).astype(str).tolist()
    clf = DeViSEClassifier(PretrainedEmbedder((names, vectors)), max_epochs=10, random_state=0)
    folds = list(StratifiedKFold(3).split(X, y))
    margins = [0.05, 0.1, 0.15, 0.2, 0.3, 0.4]
    ratios = []
    for _ in range(4):
        start = time.perf_counter()
        GridSearchCV(clf, {"margin": margins}, cv=folds, refit=False).fit(X, y)
        searched = time.perf_counter() - start
        start = time.perf_counter()
        for margin in margins:
            for train, test in folds:
                fitted = deepcopy(clf).set_params(margin=margin).fit(X[train], y[train])
                fitted.score(X[test], y[test])
        ratios.append(searched / (time.perf_counter() - start))
    return spread(ratios[1:])


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--rounds", type=int, default=5, help="timed epochs after training")
    rounds = parser.parse_args().rounds
    torch.set_num_threads(1)
    with threadpool_limits(1):
        rows = []
        for batch_size in (128, 1_024):
            sizes = (20_000 // SHRINK, 1_280, 300, 1_000)
            others = [BareLoop, PlainSkorch]
            rows += compare("1,280-d, 1,000 labels", sizes, batch_size, others, rounds, noise=24.0)
        sizes = (5_000 // SHRINK, 128, 100, 100)
        rows += compare("128-d, 100 labels", sizes, 32, others, 4 * rounds, noise=4.0)
        sizes = (4_000 // SHRINK, 1_280, 300, 1_000, 20_841)
        for batch_size in (128, 1_024):
            options = {"noise": 24.0, "shared": 0.3}
            rows += compare("21,841 labels", sizes, batch_size, [BareLoop], rounds, **options)
        grid = compare_grid_search()
    print()
    header = [
        "problem, batch",
        "violating labels",
        "violating examples",
        "vs bare loop",
        "vs skorch",
    ]
    print_table([*header, "of peak"], rows)
    print("\nCPU time of skdevise divided by that of the other loop.", end=" ")
    print(f"Peak: {peak() / 1e9:.0f} GFLOP/s.")
    print(f"GridSearchCV over 6 margins and 3 folds, divided by 18 fits and scores: {grid}.")
    print_machine()


if __name__ == "__main__":
    main()
