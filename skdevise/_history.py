"""What is kept of a skorch net's training."""


def epoch_rows(net):
    """Give the history of a skorch net as plain rows, without its batches.

    Parameters
    ----------
    net : skorch.NeuralNet

    Returns
    -------
    list of dict
        A row an epoch: "epoch", "train_loss", "dur" (in seconds), and what callbacks have added.
    """
    return [
        {key: value for key, value in row.items() if key != "batches" and "event_" not in key}
        for row in net.history
    ]
