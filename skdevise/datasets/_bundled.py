"""Reading the files that the package carries."""

from importlib.resources import files

import numpy as np

_DATA = files("skdevise.datasets") / "data"


def read_table(name):
    """Read the arrays of the bundled table `name`, a compressed ``.npz`` file.

    Parameters
    ----------
    name : str
        File name in ``skdevise/datasets/data``, without the suffix.

    Returns
    -------
    dict of str to ndarray
        Read anew at each call: a caller may change them in place.

    Examples
    --------
    >>> sorted(read_table("imagenet_labels"))
    ['fall11', 'hops', 'ilsvrc2012']
    """
    with (_DATA / f"{name}.npz").open("rb") as file, np.load(file) as table:
        return {key: table[key] for key in table.files}


def read_descr(name):
    """Read what is said of the bundled table `name`: source, licence, how it was made.

    Parameters
    ----------
    name : str
        File name in ``skdevise/datasets/data``, without the suffix ``.rst``.

    Returns
    -------
    str
        reStructuredText, the `DESCR` of the loader.

    Examples
    --------
    >>> print(read_descr("imagenet_labels").splitlines()[0])
    Labels of ImageNet
    """
    return (_DATA / f"{name}.rst").read_text(encoding="utf-8")


def synset_ids(offsets):
    """Write WordNet offsets as synset ids: 2084071 is ``"n02084071"``.

    Parameters
    ----------
    offsets : ndarray of int of shape (n,)
        Offsets in WordNet's ``data.noun``.

    Returns
    -------
    ndarray of str of shape (n,)

    Examples
    --------
    >>> synset_ids(np.array([2084071])).tolist()
    ['n02084071']
    """
    letters = np.full((len(offsets), 9), ord("n"), dtype=np.uint32)
    letters[:, 1:] = ord("0") + offsets[:, np.newaxis] // 10 ** np.arange(7, -1, -1) % 10
    return letters.view("U9")[:, 0]
