"""What the PyTorch trials share."""
from trial import REQUEST, THREADS, read

import torch

torch.set_num_threads(THREADS)


def tensors():
    return read(lambda part, shape: torch.tensor(part, dtype=torch.float32).reshape(shape))


def forward(theta, x):
    for layer in range(0, len(theta), 2):
        x = torch.nn.functional.linear(x, theta[layer], theta[layer + 1])
        if layer + 2 < len(theta):
            x = torch.relu(x)
    return x


def loss_of(theta, x, y):
    return torch.nn.functional.mse_loss(forward(theta, x), y)


def floats(loss, gradient):
    return float(loss), [g.detach().double().reshape(-1).tolist() for g in gradient]


class Mlp(torch.nn.Module):
    """The same network as a module, for libraries that adapt modules."""

    def __init__(self, parameters):
        super().__init__()
        self.layers = torch.nn.ModuleList()
        for weight, bias in zip(parameters[::2], parameters[1::2]):
            layer = torch.nn.Linear(weight.shape[1], weight.shape[0])
            layer.weight.data.copy_(weight)
            layer.bias.data.copy_(bias)
            self.layers.append(layer)

    def forward(self, x):
        for i, layer in enumerate(self.layers):
            x = layer(x)
            if i + 1 < len(self.layers):
                x = torch.relu(x)
        return x
