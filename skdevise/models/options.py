"""Parameters that do not go together."""

from skdevise._device import find_device
from skdevise.models.closed_forms import CLOSED_FORMS


def check_options(clf):
    """Refuse parameters of a classifier that do not go together.

    Parameters
    ----------
    clf : DeViSEClassifier

    Raises
    ------
    ValueError
    """
    closed = clf.projection in CLOSED_FORMS
    if clf.finetune_epochs and not hasattr(clf.visual, "backbone"):
        raise ValueError(
            f"finetune_epochs={clf.finetune_epochs} trains the visual net: give "
            "visual=VisualFeaturizer(...)."
        )
    if closed and clf.train_label_vectors and not clf.finetune_epochs:
        raise ValueError(
            f"projection={clf.projection!r} is a closed form of given vectors: "
            "train_label_vectors needs one that is trained."
        )
    if closed and not clf.finetune_epochs:
        return
    find_device(clf.device)
    if clf.checkpoint is not None:
        from skdevise._training.checkpoints import check_folder

        check_folder(clf.checkpoint)


def check_held_out(clf, samples):
    """Refuse what cannot be split, before anything is computed.

    Parameters
    ----------
    clf : DeViSEClassifier
    samples : Samples

    Raises
    ------
    ValueError
    """
    if clf.early_stopping and clf.projection not in CLOSED_FORMS:
        from skdevise.models.stages import hold_out

        hold_out(clf, samples)
