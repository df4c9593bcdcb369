"""Parameters that do not go together."""

from skdevise._utils import check_checkpoint_folder, find_device
from skdevise.models._closed_forms import CLOSED_FORMS


def check_options(clf):
    """Refuse parameters of a classifier that do not go together.

    Parameters
    ----------
    clf : DeViSEClassifier

    Raises
    ------
    TypeError
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
    from skdevise.training._options import check_callbacks, check_optimizer, check_share

    find_device(clf.device)
    check_callbacks(clf.callbacks)
    check_optimizer("optimizer", clf.optimizer)
    check_optimizer("finetune_optimizer", clf.finetune_optimizer)
    if callable(clf.lr_schedule):
        check_share(clf.lr_schedule, 0.0)
    if clf.checkpoint is not None:
        check_checkpoint_folder(clf.checkpoint)


def check_lasting(clf):
    """Refuse another value of a parameter that a fitted classifier cannot go on with.

    Parameters
    ----------
    clf : DeViSEClassifier

    Raises
    ------
    ValueError
    """
    for name, given in clf._given.items():
        now = getattr(clf, name)
        if now is not given and not (isinstance(now, str) and now == given):
            raise ValueError(
                f"partial_fit goes on from a map of {name}={given!r}, but it is {now!r} now: call "
                "fit, or set it back."
            )
