"""What is kept of a skorch net's training."""

import numpy as np


def plain_rows(history):
    """Give a skorch history as plain rows, without its batches.

    Parameters
    ----------
    history : skorch.history.History

    Returns
    -------
    list of dict
        A row an epoch: "epoch", "train_loss", "dur" (in seconds), and the numbers and texts that
        callbacks have added.
    """
    rows = []
    for row in history:
        plain = {
            key: value.item() if isinstance(value, np.generic) else value
            for key, value in row.items()
            if key != "batches" and "event_" not in key
        }
        rows.append({key: own for key, own in plain.items() if isinstance(own, int | float | str)})
    return rows


def epoch_table(history):
    """Give a skorch history as a table.

    Parameters
    ----------
    history : skorch.history.History

    Returns
    -------
    pandas.DataFrame
        A row an epoch, indexed from 1: "train_loss", "dur" (in seconds), and what callbacks have
        added; whether a figure was the best so far, and counts of batches, are left out.
    """
    import pandas as pd

    rows = [
        {key: value for key, value in row.items() if not key.endswith(("_best", "_batch_count"))}
        for row in plain_rows(history)
    ]
    return pd.DataFrame(rows, columns=None if rows else ["epoch"]).set_index("epoch")
