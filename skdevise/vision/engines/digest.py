"""What tells one net from another."""

import hashlib
from types import CodeType, FunctionType

import torch
from torch import nn

_PLAIN = (bool, int, float, str, tuple)


def net_digest(net, *circumstances):
    """Hash a net: its layers, the code of its modules, and its weights.

    Parameters
    ----------
    net : Module
    *circumstances : object
        What else matters; its `repr` is hashed.

    Returns
    -------
    str
        In hexadecimal.
    """
    hashed = hashlib.sha256(repr((str(net), circumstances)).encode())
    for name, module in net.named_modules():
        hashed.update(repr((name, _full_name(type(module)), _attributes(module))).encode())
    classes = {base for module in net.modules() for base in type(module).__mro__}
    for kind in sorted(classes - set(nn.Module.__mro__), key=_full_name):
        functions = [part for part in vars(kind).values() if isinstance(part, FunctionType)]
        code = [(function.__name__, _described(function)) for function in functions]
        hashed.update(repr((_full_name(kind), code)).encode())
    for name, tensor in [*net.named_parameters(), *net.named_buffers()]:
        tensor = tensor.detach().cpu().contiguous()
        hashed.update(repr((name, tensor.dtype, tuple(tensor.shape))).encode())
        hashed.update(tensor.reshape(-1).view(torch.uint8).numpy())
    return hashed.hexdigest()


def _attributes(module):
    """What a module was told besides its weights, as far as this is the same in each process."""
    return [(name, _described(value)) for name, value in sorted(vars(module).items())]


def _described(value):
    if isinstance(value, FunctionType):
        return _instructions(value.__code__)
    return value if isinstance(value, _PLAIN) else getattr(value, "__qualname__", None)


def _full_name(kind):
    return f"{kind.__module__}.{kind.__qualname__}"


def _instructions(code):
    """What a function does, without where it stands; the same in each process."""
    constants = [
        _instructions(constant) if isinstance(constant, CodeType) else repr(constant)
        for constant in code.co_consts
        if not isinstance(constant, frozenset)  # whose order changes
    ]
    return code.co_code, code.co_names, constants
