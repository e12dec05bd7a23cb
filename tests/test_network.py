"""The network: its budgets, its shapes, and that fake quantisation is what the integers compute."""

import pytest
import torch
from torch import nn

from mcm_fast.exact.quantize import export
from mcm_fast.exact.reference import ReferenceEngine
from mcm_fast.network.blocks import pad_edges
from mcm_fast.network.config import Config
from mcm_fast.network.fast import FastSynthesis, synthesis_of
from mcm_fast.network.gdn import GDN
from mcm_fast.network.model import Network
from mcm_fast.network.transforms import Synthesis
from mcm_fast.presets import CONFIGS


def macs_per_pixel(module: nn.Module, *inputs: torch.Tensor, pixels: int) -> float:
    """Multiply-accumulates of all convolutions and GDNs in one forward pass, for each pixel."""
    total = 0

    def count(layer, _, output):
        nonlocal total
        weight = layer.gamma if isinstance(layer, GDN) else layer.weight
        total += weight.numel() * output.shape[-1] * output.shape[-2]

    layers = [m for m in module.modules() if isinstance(m, nn.Conv2d | GDN)]
    hooks = [layer.register_forward_hook(count) for layer in layers]
    module(*inputs)
    for hook in hooks:
        hook.remove()
    return total / pixels


def transform_macs(config: Config) -> tuple[float, float]:
    network = Network(config)
    y = torch.zeros(1, config.latent, 8, 8)
    side = torch.zeros(1, config.hyper_widths[2], 8, 8)
    pixels = 128 * 128
    image = torch.zeros(1, 3, 128, 128)
    return (
        macs_per_pixel(network.analysis, image, pixels=pixels),
        macs_per_pixel(network.synthesis, y, side, pixels=pixels),
    )


def test_budget_of_small():
    assert sum(transform_macs(CONFIGS["small"])) < 33_000


def test_budget_of_base():
    config = CONFIGS["base"]
    assert transform_macs(config)[1] <= 200_000
    network = Network(config)
    integers = export(network)
    entropy = sum(t.numel() for n, t in integers.tensors.items() if n.startswith("slice."))
    assert entropy <= 2_500_000
    floats = network.analysis, network.synthesis, network.hyper_analysis
    parameters = sum(p.numel() for module in floats for p in module.parameters())
    integer_weights = sum(t.numel() for n, t in integers.tensors.items() if n.endswith(".weight"))
    assert parameters + integer_weights <= 15_000_000


@pytest.mark.parametrize("size", [(64, 64), (128, 64)])
def test_shapes(size):
    network = Network(CONFIGS["tiny"])
    out = network(torch.rand(2, 3, *size), torch.tensor([0.0, 6.3]))
    assert out.image.shape == (2, 3, *size)
    assert out.y_bits.shape == out.z_bits.shape == (2,)


def test_masked_convolutions_are_causal():
    """No parameter of slice k at (row, column) moves with what is decoded later."""
    config = CONFIGS["tiny"]
    context = Network(config).randomize().context
    y = torch.randn(1, config.latent, 7, 9).mul(3).round()
    hyper, level = torch.randn(1, config.hyper_widths[2], 7, 9), torch.tensor([2.5])
    k, row, column, c = 3, 3, 4, config.slice_channels
    before = torch.cat(context(y, hyper, level), 1)
    later = y.clone()
    later[:, (k + 1) * c :] += 9
    later[:, k * c : (k + 1) * c, row + 1 :] += 9
    later[:, k * c : (k + 1) * c, row, column:] += 9
    after = torch.cat(context(later, hyper, level), 1)
    here = [*range(k * c, (k + 1) * c), *range(config.latent + k * c, config.latent + (k + 1) * c)]
    assert torch.equal(before[:, here, row, column], after[:, here, row, column])
    assert not torch.equal(before, after)


@pytest.mark.parametrize("quality", [0, 4321, 10000])
def test_fake_quantisation_is_the_integers(quality):
    """mu and index as training rounds them agree with the integers but for ties of rounding."""
    torch.manual_seed(3)
    config = CONFIGS["tiny"]
    network = Network(config).randomize().eval()
    network.quantize()
    integers = export(network)
    y = torch.randn(config.latent, 8, 8).mul(2).round()
    z = torch.randn(config.hyper_latent, 2, 2).mul(2).round()
    found = ReferenceEngine(integers).parameters(y.short(), z.short(), quality)
    level = torch.tensor([quality * (config.levels - 1) / 10000])
    with torch.no_grad():
        hyper = network.hyper_synthesis(z[None], level)
        mu, index = network.context(y[None], hyper, level)
    index = index.clamp(0, 47)
    assert (hyper[0] * 16 - found.hyper).abs().gt(0.5).float().mean() < 0.01
    assert (mu[0] * 16 - found.mu).abs().gt(1).float().mean() < 0.01
    assert (index[0] - found.indexes).abs().gt(1).float().mean() < 0.01


def test_config_survives_json():
    for config in CONFIGS.values():
        assert Config.from_json(config.to_json()) == config


def test_a_fast_synthesis_keeps_to_its_budget():
    config = CONFIGS["small"]
    y, side = torch.zeros(1, config.latent, 8, 8), torch.zeros(1, config.hyper_widths[2], 8, 8)
    fast = FastSynthesis(config)
    assert macs_per_pixel(fast, y, side, pixels=128 * 128) <= 4000
    assert fast(y, side).shape == (1, 3, 128, 128)
    for network in (fast, Synthesis(config)):
        assert type(synthesis_of(config, network.state_dict())) is type(network)


@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last], ids=str)
@pytest.mark.parametrize("pads", [(1, 1, 1, 1), (0, 3, 0, 2), (0, 0, 0, 0)], ids=str)
def test_edges_are_replicated_in_the_same_memory_format(layout, pads):
    x = torch.rand(2, 5, 6, 4).to(memory_format=layout)
    padded = pad_edges(x, *pads)
    assert torch.equal(padded, nn.functional.pad(x, pads, mode="replicate"))
    assert padded.is_contiguous(memory_format=layout)
