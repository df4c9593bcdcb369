"""Parameters that do not go together."""

from skdevise._utils import check_checkpoint_folder, find_device


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
    if clf.finetune_epochs and not hasattr(clf.visual, "backbone"):
        raise ValueError(
            f"finetune_epochs={clf.finetune_epochs} trains the visual net: give "
            "visual=VisualFeaturizer(...)."
        )
    find_device(clf.device)
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
