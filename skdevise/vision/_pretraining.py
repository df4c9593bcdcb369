"""Training a net with its softmax layer on labelled photos (section 3.2 of the paper)."""

import warnings

import numpy as np
import torch
from sklearn.utils import check_consistent_length, column_or_1d, compute_sample_weight
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.parallel import Parallel, delayed
from torch import nn

from skdevise._utils import check_checkpoint_folder, find_device
from skdevise.exceptions import UnreadablePhotoError
from skdevise.training._checkpoint import Checkpoint, fit_key
from skdevise.training._early_stopping import EarlyStopping, hold_out_samples
from skdevise.training._net import TrainingNet, TrainingSet
from skdevise.vision._batches import PhotoTensors
from skdevise.vision.engines.precision import find_dtype

# What the result of pre-training does not depend on.
_NOT_COMPARED = {
    "backbone", "weights", "n_jobs", "device", "engine", "cache", "on_error", "callbacks",
    "checkpoint", "random_state", "verbose",
}  # fmt: skip


class LabelledPhotos:
    """Photos to train on, and their labels.

    Parameters
    ----------
    photos : Photos
    y : array-like of shape (n_photos,)
    on_error : {"raise", "nan"}
        Unless "raise", photos that cannot be read are left out, with a warning; otherwise training
        itself meets the first of them.
    n_jobs : int or None
        Number of threads that look for such.

    Attributes
    ----------
    rows : ndarray of int64, of shape (n,)
        Which of the photos are trained on.
    classes : ndarray of shape (n_classes,)
        Their labels, sorted.
    targets : ndarray of int64, of shape (n,)
        The index of each one's class.

    Raises
    ------
    ValueError
        If y is missing, of another length, or has one class.
    """

    def __init__(self, photos, y, on_error, n_jobs):
        if y is None:
            raise ValueError(
                "weights=None pre-trains the net on labelled photos: give y, or choose weights."
            )
        y = column_or_1d(y)
        check_consistent_length(photos, y)
        check_classification_targets(y)
        self.photos = photos
        self.rows = np.arange(len(photos))
        if on_error != "raise":
            self._leave_out_unreadable(n_jobs)
        self.classes, self.targets = np.unique(y[self.rows], return_inverse=True)
        if len(self.classes) < 2:
            raise ValueError(
                f"y has one class, '{self.classes[0]}': pre-training needs two at least."
            )

    def _leave_out_unreadable(self, n_jobs):
        errors = Parallel(n_jobs=n_jobs, prefer="threads")(
            delayed(_reading_error)(self.photos, row) for row in self.rows
        )
        failures = [error for error in errors if error is not None]
        if failures:
            warnings.warn(
                f"{len(failures)} of {len(errors)} photos cannot be read ({failures[0]}) "
                "Pre-training leaves them out.",
                stacklevel=5,
            )
        if len(failures) == len(errors):
            raise ValueError(f"None of the {len(errors)} photos can be read: give others.")
        self.rows = self.rows[[error is None for error in errors]]

    def weights(self, class_weight):
        """How much each photo counts: ndarray of shape (n,), or None.

        Parameters
        ----------
        class_weight : "balanced", dict or None

        Raises
        ------
        ValueError
            If it names other classes, or weights are negative or all zero.
        """
        if class_weight is None:
            return None
        weight = compute_sample_weight(class_weight, self.classes[self.targets])
        if not (np.isfinite(weight).all() and weight.min() >= 0 and weight.max() > 0):
            raise ValueError(
                f"class_weight={class_weight!r} gives weights from {weight.min()} to "
                f"{weight.max()}: weights are 0 or more, and not all 0."
            )
        return weight


def pretrain(featurizer, loaded, labelled, seed, checkpoint=None):
    """Train a net in place by cross-entropy; dropout comes from torch's global generators.

    Parameters
    ----------
    featurizer : VisualFeaturizer
        Its parameters say how.
    loaded : Backbone
        It gets a softmax layer of as many outputs as there are classes, and is left in evaluation
        mode.
    labelled : LabelledPhotos
        They are decoded anew in each epoch.
    seed : int
        Of the augmentation, the order of the photos, and what is held out.
    checkpoint : Checkpoint, default=None

    Returns
    -------
    skorch.history.History

    Raises
    ------
    ValueError
        If the weights are not finite in the end, or nothing can be held out.
    """
    weight = labelled.weights(featurizer.class_weight)
    loaded.resize_softmax(len(labelled.classes))
    net, rows, targets = loaded.net, labelled.rows, labelled.targets
    if hasattr(net, "aux_logits"):
        # GoogLeNet and Inception 3 would give three outputs while they train.
        net.aux_logits = False
    augmented, plain = (
        PhotoTensors(labelled.photos, loaded.preprocess, featurizer.n_jobs, augment, seed)
        for augment in (featurizer.augment, None)
    )
    order_seed, hold_out_seed = np.random.SeedSequence(seed).generate_state(2).tolist()
    kept, look = slice(None), None
    if featurizer.early_stopping:
        kept, held_out = hold_out_samples(targets, featurizer.validation_fraction, hold_out_seed)
        look = EarlyStopping(
            TrainingSet(plain, rows[held_out], targets[held_out]),
            _most_probable,
            featurizer.n_iter_no_change,
        )
    trainer = TrainingNet.build(
        net.to(memory_format=torch.channels_last),
        nn.CrossEntropyLoss(reduction="none"),
        optimizer=featurizer.optimizer,
        lr=featurizer.lr,
        batch_size=featurizer.batch_size,
        callbacks=featurizer.callbacks,
        precision=find_dtype(featurizer.precision, find_device(featurizer.device)),
        device=featurizer.device,
        order_seed=order_seed,
        verbose=featurizer.verbose,
    )
    if weight is not None:
        weight = weight[kept]
        # One on average, so that the learning rate means what it does without.
        weight = weight / weight.mean()
    trainer.train_epochs(
        TrainingSet(augmented, rows[kept], targets[kept], weight),
        featurizer.max_epochs,
        schedule=featurizer.lr_schedule,
        early_stopping=look,
        checkpoint=checkpoint,
    )
    net.eval()
    if not all(torch.isfinite(own).all() for own in net.state_dict().values()):
        raise ValueError(
            f"Pre-training diverged within {len(trainer.history)} epochs: lower lr={featurizer.lr}."
        )
    return trainer.history


def open_checkpoint(featurizer, labelled, seed):
    """Find the state of a fit that was interrupted, by its parameters, photos and labels.

    Parameters
    ----------
    featurizer : VisualFeaturizer
    labelled : LabelledPhotos
    seed : int

    Returns
    -------
    Checkpoint

    Raises
    ------
    ValueError
        If the folder cannot be used, its file cannot be read, or a parameter cannot be pickled.
    """
    check_checkpoint_folder(featurizer.checkpoint)
    params = featurizer.get_params(deep=False)
    backbone = params["backbone"]
    params["seed"] = seed
    params = {name: own for name, own in params.items() if name not in _NOT_COMPARED}
    start = None
    if isinstance(backbone, nn.Module):
        start = {key: own.numpy(force=True) for key, own in backbone.state_dict().items()}
        backbone = repr(backbone)
    params["backbone"] = backbone
    digests = (labelled.photos.content_hash(row) for row in labelled.rows.tolist())
    key = fit_key(params, labelled.targets, start, list(digests))
    return Checkpoint(featurizer.checkpoint, key)


def _reading_error(photos, row):
    try:
        photos.pixels(row)
    except UnreadablePhotoError as error:
        return error


def _most_probable(net, scores):
    return scores.argmax(dim=1)
