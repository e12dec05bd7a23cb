"""Step 2: the discriminator, and a synthesis that learns alone."""

import dataclasses

import torch
from training_runs import picture, same, second, weights_after

from mcm_fast import Codec
from mcm_fast.network.model import Network
from mcm_fast.presets import CONFIGS
from mcm_fast.training import checkpoint
from mcm_fast.training.adversarial import Discriminator, discriminator_loss, generator_loss
from mcm_fast.training.loop import Trainer
from mcm_fast.training.losses import STATISTICS
from mcm_fast.training.schedule import Phase
from mcm_fast.training.step import Step


def test_a_discriminator_learns_and_its_condition_has_no_gradient():
    torch.manual_seed(0)
    critic = Discriminator(16, width=8)
    image, latents = torch.rand(2, 3, 64, 64), torch.randn(2, 16, 4, 4)
    decoded = (image * 0.5).requires_grad_()
    adam = torch.optim.Adam(critic.parameters(), 1e-3)
    losses = []
    for _ in range(20):
        loss = discriminator_loss(critic(image, latents), critic(decoded.detach(), latents))
        adam.zero_grad()
        loss.backward()
        adam.step()
        losses.append(loss.item())
    assert losses[-1] < 0.9 * losses[0]
    cost = generator_loss(critic(decoded, latents))
    assert cost.shape == (2,) and cost.mean() > 0.5
    cost.sum().backward()
    assert decoded.grad.abs().sum() > 0


def test_step_2_moves_the_synthesis_alone_and_leaves_the_bytes(options, model):
    base = checkpoint.load_weights(model).state_dict()
    step = weights_after(second(options), init_from=model)
    state = step.network.state_dict()
    moved = {name for name in base if not torch.equal(base[name], state[name])}
    assert moved == {name for name in base if name.startswith("synthesis.")}
    shipped = Codec.from_file(model)
    image = torch.from_numpy(picture(40, 80, 112).copy()).permute(2, 0, 1).contiguous()
    stream = shipped.compress(image, 70)
    again = Codec(step.ema, shipped.integers)
    assert again.compress(image, 70) == stream
    assert not torch.equal(again.decompress(stream), shipped.decompress(stream))


def test_step_2_sees_what_the_codec_decodes(options, model):
    """The frozen part is rounded as it is in use, and latents are what the synthesis sees."""
    trainer = Trainer(second(options, steps=1), init_from=model)
    trainer.run()
    step = trainer.step
    assert step.phase == Phase(quantized=True)
    image, level = torch.rand(2, 3, 64, 64), torch.tensor([0.0, 7.0])
    out = step.objective(image, level)
    assert out.latents.shape == (2, 16, 4, 4) and not out.latents.requires_grad
    assert out.statistics[:, STATISTICS.index("gan")].sum() > 0


def test_the_whole_of_step_2_is_an_option(options, model):
    whole = dataclasses.replace(options, gan=0.001, parts="all", steps=2)
    step = weights_after(whole, init_from=model)
    base = checkpoint.load_weights(model).state_dict()
    state = step.network.state_dict()
    assert not torch.equal(base["analysis.conv.weight"], state["analysis.conv.weight"])


def test_step_2_resumes_exactly(options, model, tmp_path):
    straight = weights_after(second(options, out=tmp_path / "s"), init_from=model)
    weights_after(second(options, out=tmp_path / "r", steps=3), init_from=model)
    resumed = weights_after(second(options, out=tmp_path / "r"), resume=True)
    assert same(straight.parameters, resumed.parameters)
    assert same(straight.rival.parameters, resumed.rival.parameters)


def test_the_objective_of_step_2_is_one_graph(options):
    """What a GPU compiles: the network, its hook and the discriminator, without a break."""
    torch.manual_seed(0)
    network = Network(CONFIGS["tiny"]).randomize().train()
    step = Step(network, torch.zeros(4, 3, 96, 96), second(options))
    step.enter(Phase(quantized=True))
    compiled = torch.compile(step.objective, backend="eager", fullgraph=True)
    image, level = torch.rand(2, 3, 64, 64), torch.tensor([1.0, 6.0])
    out = compiled(image, level)
    assert out.latents.shape == (2, 16, 4, 4)
    out.loss.backward()
    assert network.synthesis.conv.weight.grad.abs().sum() > 0
    assert network.analysis.conv.weight.grad is None
    assert all(p.grad is None for p in step.rival.parameters)
