"""Published photo sets: fetched once, and given as paths or pixels with label names."""

from skdevise._compat import validate_params
from skdevise.datasets._download import fetch_options
from skdevise.datasets._torchvision_sets import fetch_set


@validate_params(fetch_options(), prefer_skip_nested_validation=True)
def fetch_caltech101(*, data_home=None, download_if_missing=True, return_X_y=False, as_frame=False):
    """Fetch Caltech-101: 8,677 photos of 101 classes of objects, about 300 x 200 pixels.

    The class of background clutter is left out, as torchvision does. 137 MB. Features of some of
    the photos come without a download: :func:`load_caltech101_features`.

    Parameters
    ----------
    data_home : str or path, default=None
        Folder of fetched sets, laid out as torchvision does; None is ``data`` in the folder that
        the environment's `SKDEVISE_HOME` names, or in ``~/.cache/skdevise``.
    download_if_missing : bool, default=True
        If False, raise an error in place of using the network.
    return_X_y : bool, default=False
        Return ``(data, target)`` in place of the Bunch.
    as_frame : bool, default=False
        Give `data` and `target` as pandas Series.

    Returns
    -------
    photos : :class:`~sklearn.utils.Bunch`
        Dictionary-like object, with the following attributes.

        data : ndarray of str of shape (n_photos,)
            Paths of JPEG files.
        target : ndarray of str of shape (n_photos,)
            Name of each photo's class, such as "grand_piano".
        target_names : ndarray of str of shape (101,)
            The labels, sorted.
        counts : dict of str to int
            How many photos each label has.
        frame : DataFrame of shape (n_photos, 2) or None
            `data` and `target` together, if `as_frame`.
        DESCR : str
            Source and citation.

    (data, target) : tuple, if `return_X_y`
        The first two of these.

    Raises
    ------
    OSError
        If a file is missing and cannot be downloaded; says what may be put where by hand.
    ValueError
        If a file is damaged, or is not the published one.

    Examples
    --------
    >>> from skdevise.datasets import fetch_caltech101
    >>> photos = fetch_caltech101()  # doctest: +SKIP
    >>> len(photos.data)  # doctest: +SKIP
    8677
    """
    return fetch_set("caltech101", "all", data_home, download_if_missing, return_X_y, as_frame)


@validate_params(fetch_options("train", "test"), prefer_skip_nested_validation=True)
def fetch_cifar100(
    *, subset="train", data_home=None, download_if_missing=True, return_X_y=False, as_frame=False
):
    """Fetch CIFAR-100: 60,000 photos of 100 classes, of 32 x 32 pixels.

    169 MB.

    Parameters
    ----------
    subset : {"train", "test", "all"}, default="train"
        50,000 or 10,000 photos, or both together.
    data_home : str or path, default=None
        Folder of fetched sets, laid out as torchvision does; None is ``data`` in the folder that
        the environment's `SKDEVISE_HOME` names, or in ``~/.cache/skdevise``.
    download_if_missing : bool, default=True
        If False, raise an error in place of using the network.
    return_X_y : bool, default=False
        Return ``(data, target)`` in place of the Bunch.
    as_frame : bool, default=False
        Give `data` and `target` as pandas Series.

    Returns
    -------
    photos : :class:`~sklearn.utils.Bunch`
        Dictionary-like object, with the following attributes.

        data : ndarray of uint8 of shape (n_photos, 32, 32, 3)
            RGB photos.
        target : ndarray of str of shape (n_photos,)
            Fine label of each photo, such as "aquarium_fish".
        target_names : ndarray of str of shape (100,)
            The labels, sorted.
        counts : dict of str to int
            How many photos each label has.
        frame : DataFrame of shape (n_photos, 2) or None
            `data` and `target` together, if `as_frame`.
        DESCR : str
            Source and citation.

    (data, target) : tuple, if `return_X_y`
        The first two of these.

    Raises
    ------
    OSError
        If a file is missing and cannot be downloaded; says what may be put where by hand.
    ValueError
        If a file is damaged, or is not the published one.

    Examples
    --------
    >>> from skdevise.datasets import fetch_cifar100
    >>> photos = fetch_cifar100()  # doctest: +SKIP
    >>> photos.data.shape  # doctest: +SKIP
    (50000, 32, 32, 3)
    """
    return fetch_set("cifar100", subset, data_home, download_if_missing, return_X_y, as_frame)


@validate_params(fetch_options("train", "test"), prefer_skip_nested_validation=True)
def fetch_cifar10(
    *, subset="train", data_home=None, download_if_missing=True, return_X_y=False, as_frame=False
):
    """Fetch CIFAR-10: 60,000 photos of 10 classes, of 32 x 32 pixels.

    170 MB.

    Parameters
    ----------
    subset : {"train", "test", "all"}, default="train"
        50,000 or 10,000 photos, or both together.
    data_home, download_if_missing, return_X_y, as_frame
        As for :func:`fetch_cifar100`.

    Returns
    -------
    photos : :class:`~sklearn.utils.Bunch`
        As :func:`fetch_cifar100` gives it: `data` are RGB pixels, uint8 of shape
        (n_photos, 32, 32, 3), `target` is the name of each photo's class, such as "airplane".

    (data, target) : tuple, if `return_X_y`
        The first two of these.

    Raises
    ------
    OSError, ValueError
        As :func:`fetch_cifar100` does.

    Examples
    --------
    >>> from skdevise.datasets import fetch_cifar10
    >>> photos = fetch_cifar10()  # doctest: +SKIP
    >>> photos.data.shape  # doctest: +SKIP
    (50000, 32, 32, 3)
    """
    return fetch_set("cifar10", subset, data_home, download_if_missing, return_X_y, as_frame)


@validate_params(fetch_options("train", "val", "test"), prefer_skip_nested_validation=True)
def fetch_flowers102(
    *, subset="train", data_home=None, download_if_missing=True, return_X_y=False, as_frame=False
):
    """Fetch Oxford 102 Flower: 8,189 photos of 102 kinds of flowers.

    345 MB.

    Parameters
    ----------
    subset : {"train", "val", "test", "all"}, default="train"
        1,020, 1,020 or 6,149 photos, or all of them.
    data_home, download_if_missing, return_X_y, as_frame
        As for :func:`fetch_cifar100`.

    Returns
    -------
    photos : :class:`~sklearn.utils.Bunch`
        As :func:`fetch_cifar100` gives it, but `data` are paths of JPEG files. `target` is the
        name of each photo's flower, such as "pink primrose".

    (data, target) : tuple, if `return_X_y`
        The first two of these.

    Raises
    ------
    OSError, ValueError
        As :func:`fetch_cifar100` does.

    Examples
    --------
    >>> from skdevise.datasets import fetch_flowers102
    >>> photos = fetch_flowers102()  # doctest: +SKIP
    >>> len(photos.data)  # doctest: +SKIP
    1020
    """
    return fetch_set("flowers102", subset, data_home, download_if_missing, return_X_y, as_frame)


@validate_params(fetch_options("train", "test"), prefer_skip_nested_validation=True)
def fetch_food101(
    *, subset="train", data_home=None, download_if_missing=True, return_X_y=False, as_frame=False
):
    """Fetch Food-101: 101,000 photos of 101 dishes, at most 512 pixels wide and high.

    5 GB. Some labels of the training photos are wrong, as its authors say.

    Parameters
    ----------
    subset : {"train", "test", "all"}, default="train"
        75,750 or 25,250 photos, or both together.
    data_home, download_if_missing, return_X_y, as_frame
        As for :func:`fetch_cifar100`.

    Returns
    -------
    photos : :class:`~sklearn.utils.Bunch`
        As :func:`fetch_cifar100` gives it, but `data` are paths of JPEG files. `target` is the
        name of each photo's dish, such as "apple_pie".

    (data, target) : tuple, if `return_X_y`
        The first two of these.

    Raises
    ------
    OSError, ValueError
        As :func:`fetch_cifar100` does.

    Examples
    --------
    >>> from skdevise.datasets import fetch_food101
    >>> photos = fetch_food101()  # doctest: +SKIP
    >>> len(photos.data)  # doctest: +SKIP
    75750
    """
    return fetch_set("food101", subset, data_home, download_if_missing, return_X_y, as_frame)


@validate_params(fetch_options("train", "test"), prefer_skip_nested_validation=True)
def fetch_pets(
    *, subset="train", data_home=None, download_if_missing=True, return_X_y=False, as_frame=False
):
    """Fetch Oxford-IIIT Pet: 7,349 photos of 37 breeds of cats and dogs.

    811 MB.

    Parameters
    ----------
    subset : {"train", "test", "all"}, default="train"
        3,680 or 3,669 photos, or both together.
    data_home, download_if_missing, return_X_y, as_frame
        As for :func:`fetch_cifar100`.

    Returns
    -------
    photos : :class:`~sklearn.utils.Bunch`
        As :func:`fetch_cifar100` gives it, but `data` are paths of JPEG files. `target` is the
        name of each photo's breed, such as "Abyssinian".

    (data, target) : tuple, if `return_X_y`
        The first two of these.

    Raises
    ------
    OSError, ValueError
        As :func:`fetch_cifar100` does.

    Examples
    --------
    >>> from skdevise.datasets import fetch_pets
    >>> photos = fetch_pets()  # doctest: +SKIP
    >>> len(photos.data)  # doctest: +SKIP
    3680
    """
    return fetch_set("pets", subset, data_home, download_if_missing, return_X_y, as_frame)
