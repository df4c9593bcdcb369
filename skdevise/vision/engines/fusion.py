"""Batch norms folded into the convolutions before them."""

import copy
from collections import Counter, defaultdict

import torch
from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.nn.utils.fusion import fuse_conv_bn_eval
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from skdevise.vision.engines.agreement import agrees, answers, probes

_CONVOLUTIONS = (nn.Conv1d, nn.Conv2d, nn.Conv3d)


def folded_copy(net, shape):
    """Copy a net to the CPU, with batch norms folded if it then answers as before.

    Parameters
    ----------
    net : Module
        In evaluation mode.
    shape : tuple of int
        (C, H, W) of a photo.

    Returns
    -------
    Module
    """
    folded = copy.deepcopy(net).cpu()
    photo = probes(shape)
    expected = answers(folded, photo)
    try:
        if fold_batch_norms(folded, photo) == 0:
            return folded
        agree = agrees(answers(folded, photo), expected, "float32")
    except Exception:  # a net may look into its own parts: then they are left as they are
        agree = False
    return folded if agree else copy.deepcopy(net).cpu()


def fold_batch_norms(net, photos):
    """Fold each batch norm into the convolution whose output it alone reads, in place.

    The operations of one run are noted, so that it does not matter how `forward` is written.
    torch's own fuser wants nets that `torch.fx` can trace, which EfficientNet-Lite0 is not, and
    knows no subclass of `nn.Conv2d` and `nn.BatchNorm2d`, which timm has.

    Parameters
    ----------
    net : Module
        In evaluation mode.
    photos : Tensor of shape (n, C, H, W)
        Any that the net takes; one will do.

    Returns
    -------
    int
        How many were folded. What the net then answers is to be compared before use: `forward`
        may do what operations do not show.
    """
    names = defaultdict(list)  # a module may have several
    for name, module in net.named_modules(remove_duplicate=False):
        names[module].append(name)
    pairs = _foldable(net, photos)
    for conv, norm in pairs:
        _replace(net, names[conv], fuse_conv_bn_eval(conv, norm))
        _replace(net, names[norm], _without_norm(norm))
    return len(pairs)


class _Operations(TorchDispatchMode):
    """Notes the operations that run: the name, the tensors read, and the first one written.

    They are all kept, so that no two tensors are at one address.
    """

    def __init__(self):
        super().__init__()
        self.calls = []

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        output = func(*args, **(kwargs or {}))
        read = [leaf for leaf in tree_leaves((args, kwargs)) if isinstance(leaf, torch.Tensor)]
        written = output[0] if isinstance(output, tuple) and output else output
        self.calls.append((func.__name__, read, written))
        return output


def _foldable(net, photos):
    """List pairs of a convolution and the batch norm that alone reads its output."""
    convolutions = _owners(net, _CONVOLUTIONS, "weight")
    norms = _owners(net, _BatchNorm, "running_mean")
    with torch.no_grad(), _Operations() as noted:
        net(photos)
    n_reads = Counter(id(tensor) for _, read, _ in noted.calls for tensor in read)
    made_by, pairs = {}, []
    for name, read, written in noted.calls:
        if "conv" in name:
            made_by[id(written)] = _first_in(convolutions, read)
        elif "batch_norm" in name:
            conv, norm = made_by.get(id(read[0])), _first_in(norms, read)
            if conv is None or norm is None or _without_norm(norm) is None:
                continue
            once = (read[0], conv.weight, norm.running_mean)
            if all(n_reads[id(tensor)] == 1 for tensor in once):
                pairs.append((conv, norm))
    return pairs


def _owners(net, kind, attribute):
    """Modules of a kind by the address of a tensor that is theirs alone."""
    owners = defaultdict(list)
    for module in net.modules():
        if isinstance(module, kind):
            owners[id(getattr(module, attribute))].append(module)
    return {address: modules[0] for address, modules in owners.items() if len(modules) == 1}


def _first_in(owners, tensors):
    return next((owners[id(tensor)] for tensor in tensors if id(tensor) in owners), None)


def _without_norm(norm):
    """What a batch norm's module does besides; None where that is not known."""
    if norm._forward_hooks or norm._forward_pre_hooks:
        return None
    if type(norm).forward is _BatchNorm.forward:
        return nn.Identity()
    if hasattr(norm, "drop") and hasattr(norm, "act"):  # timm's carry the activation
        return nn.Sequential(norm.drop, norm.act)
    return None


def _replace(net, names, module):
    for name in names:
        parent, _, child = name.rpartition(".")
        setattr(net.get_submodule(parent), child, module)
