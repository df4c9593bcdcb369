"""Training of a model on a file of tokens."""

import copy
import math
import threading
import time
from concurrent.futures import ThreadPoolExecutor, as_completed

import numpy as np

from skdevise.language._gensim_models import weights_of

# Seconds between two states on disk, besides that after each epoch.
_SAVE_EVERY = 600


class Training:
    """Passes over a file of tokens, which can be broken off and taken up between two batches.

    gensim trains a batch in C without holding Python's lock. Its own ways to share out the text
    among threads tell neither where they are nor, rightly, the loss, and cannot go on from the
    middle; so the batches are shared out here, at no loss of speed.

    Parameters
    ----------
    model : gensim Word2Vec or FastText
    file : TokenFile
    kept : ndarray of bool, of shape (n_tokens,)
        The tokens that are in the model.
    epochs : int
    alpha, min_alpha : float
        Learning rate at the start and at the end; it falls linearly.
    workers : int
        Threads. With one, the same seed gives the same weights, broken off or not.
    progress : callable, default=None
        Called after each batch with the number of its tokens, and their mean loss.
    checkpoint : TrainingFile, default=None
        Taken up if there is a state in it, written after each epoch and every ten minutes.

    Attributes
    ----------
    loss_curve : list of float
        Mean loss of a token in each epoch that is done; NaN where gensim tells none (FastText).
    n_done : int
        Tokens that are done.
    """

    def __init__(
        self,
        model,
        file,
        kept,
        *,
        epochs,
        alpha,
        min_alpha,
        workers,
        progress=None,
        checkpoint=None,
    ):
        self.model = model
        self.file = file
        self.kept = kept
        self.epochs = epochs
        self.alpha = alpha
        self.min_alpha = min_alpha
        self.workers = workers
        self.progress = progress
        self.checkpoint = checkpoint
        self.loss_curve = []
        # Of the epoch that is going on: where the next batch begins, and what is done.
        self._start = 0
        self._loss = self._n_trained = 0
        self.n_done = 0
        self._lock = threading.Lock()
        if checkpoint is not None and (state := checkpoint.load(self._state())) is not None:
            self._restore(state)

    def run(self):
        """Train until all is done."""
        while len(self.loss_curve) < self.epochs:
            self._train_a_while()
            if self._start >= self.file.size:
                # FastText leaves the loss at nothing.
                self.loss_curve.append(self._loss / self._n_trained if self._loss else math.nan)
                self._start = self._loss = self._n_trained = 0
            if self.checkpoint is not None:
                self.checkpoint.save(self._state())

    def _train_a_while(self):
        """Train to the end of the epoch, or until it is time to save."""
        until = math.inf if self.checkpoint is None else time.monotonic() + _SAVE_EVERY
        batches = self.file.batches(self._start, self.kept)
        stopped = threading.Event()
        with ThreadPoolExecutor(self.workers) as pool:
            try:
                running = [
                    pool.submit(self._work, batches, until, stopped) for _ in range(self.workers)
                ]
                for future in as_completed(running):
                    future.result()
            finally:
                # An interrupt, or an error in one thread, ends the others after their batch.
                stopped.set()

    def _work(self, batches, until, stopped):
        # Shares the weights; its loss is its own, and begins anew with each batch, as gensim adds
        # to it in single precision.
        model = copy.copy(self.model)
        memory = model._get_thread_working_mem()
        while not stopped.is_set():
            with self._lock:
                begin = self._start
                documents, self._start = next(batches, (None, begin))
                if documents is None:
                    return
                done = (len(self.loss_curve) + begin / self.file.size) / self.epochs
            model.running_training_loss = 0.0
            alpha = self.alpha - (self.alpha - self.min_alpha) * done
            n_trained, n_tokens = model._do_train_job(documents, alpha, memory)
            with self._lock:
                self._loss += model.running_training_loss
                self._n_trained += n_trained
                self.n_done += n_tokens
                if self.progress is not None:
                    self.progress(n_tokens, model.running_training_loss / max(n_trained, 1))
            if time.monotonic() > until:
                return

    def _state(self):
        generator = self.model.random.get_state(legacy=False)["state"]
        return {
            "loss_curve": np.array(self.loss_curve, dtype=float),
            "epoch": np.array([self._loss, self._n_trained], dtype=float),
            "position": np.array([self._start, self.n_done]),
            "generator": np.append(generator["key"], generator["pos"]),
            **weights_of(self.model),
        }

    def _restore(self, state):
        self.loss_curve = state["loss_curve"].tolist()
        self._loss, self._n_trained = state["epoch"].tolist()
        self._start, self.n_done = state["position"].tolist()
        *key, pos = state["generator"]
        self.model.random.set_state(("MT19937", np.array(key, dtype=np.uint32), int(pos)))
        for name, weights in weights_of(self.model).items():
            weights[:] = state[name]
