"""Our side of a comparison, and the comparison itself."""

import torch
from torch import Tensor

from resnets.net.network import ResNet
from tests.goldens import Array, Outputs, cotangents, outputs_of, relative_error


def our_outputs(network: ResNet, x: Array) -> Outputs:
    """(N, C, H, W) -> every level and the logits."""
    with torch.no_grad():
        return {name: map_.numpy() for name, map_ in outputs_of(network, _pixels(network, x)).items()}


def our_gradients(network: ResNet, x: Array) -> Outputs:
    """Return the gradient of the outputs' weighted sum, for the picture and every trained tensor."""
    network.zero_grad()
    pixels = _pixels(network, x).requires_grad_()
    differentiate(outputs_of(network, pixels))
    assert pixels.grad is not None
    slopes = {"picture": pixels.grad.numpy()}
    for name, parameter in network.named_parameters():
        assert parameter.grad is not None, name
        slopes[name] = parameter.grad.numpy()
    return slopes


def differentiate(maps: dict[str, Tensor]) -> None:
    """Backpropagate the sum of all outputs, each multiplied by its cotangent."""
    weights = cotangents({name: map_.detach().numpy() for name, map_ in maps.items()})
    torch.autograd.backward(list(maps.values()), [torch.from_numpy(weights[name]).to(maps[name]) for name in maps])


def assert_equal(ours: Outputs, theirs: Outputs, tolerance: float) -> float:
    """Assert that both have the same maps within a relative tolerance, and return the largest relative error."""
    assert set(ours) == set(theirs)
    errors = {name: relative_error(ours[name], theirs[name]) for name in theirs}
    assert {name: error for name, error in errors.items() if not error <= tolerance} == {}
    return max(errors.values())


def _pixels(network: ResNet, x: Array) -> Tensor:
    return torch.from_numpy(x).to(next(network.parameters()).dtype)
