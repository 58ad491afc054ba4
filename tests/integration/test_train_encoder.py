"""The encoder layer computes what torch's own does, and its dropout drops what it says."""

import pytest

pytest.importorskip("torch", reason="training needs the train extra")

import torch
from torch import nn

from toolkit.train.encoder import Dropout, EncoderLayer


def test_it_computes_what_torchs_layer_computes():
    torch.manual_seed(0)
    ours = EncoderLayer(32, 4, 48, 0.3).eval()
    torchs = nn.TransformerEncoderLayer(32, 4, 48, 0.3, activation="gelu", batch_first=True).eval()
    pairs = {
        "query_key_value": (torchs.self_attn.in_proj_weight, torchs.self_attn.in_proj_bias),
        "mix_heads": (torchs.self_attn.out_proj.weight, torchs.self_attn.out_proj.bias),
        "up": (torchs.linear1.weight, torchs.linear1.bias),
        "down": (torchs.linear2.weight, torchs.linear2.bias),
        "attention_norm": (torchs.norm1.weight, torchs.norm1.bias),
        "feed_forward_norm": (torchs.norm2.weight, torchs.norm2.bias),
    }
    with torch.no_grad():
        for name, (weight, bias) in pairs.items():
            getattr(ours, name).weight.copy_(weight.normal_())
            getattr(ours, name).bias.copy_(bias.normal_())
        for size, length in ((1, 1), (3, 16), (2, 33)):
            sequence = torch.randn(size, length, 32)
            torch.testing.assert_close(ours(sequence), torchs(sequence), atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize("p", [0.1, 0.2, 0.5])
def test_dropout_drops_its_share_and_keeps_the_mean(p):
    torch.manual_seed(0)
    values = torch.ones(401, 503, requires_grad=True)
    dropped = Dropout(p).train()(values)
    zeros = dropped == 0
    assert abs(float(zeros.float().mean()) - p) < 0.005
    assert abs(float(dropped.detach().mean()) - 1) < 0.005
    for axis in (0, 1):  # no row or column is favoured
        assert float(zeros.float().mean(axis).std()) < 1.2 * (p * (1 - p) / zeros.shape[axis]) ** 0.5
    dropped.sum().backward()
    torch.testing.assert_close(values.grad, dropped.detach())


def test_dropout_is_off_in_evaluation_and_seeded_in_training():
    values = torch.randn(7, 9)
    assert torch.equal(Dropout(0.5).eval()(values), values)
    assert torch.equal(Dropout(0.0).train()(values), values)
    first, second = (torch.manual_seed(3) and Dropout(0.5).train()(values) for _ in range(2))
    assert torch.equal(first, second)
