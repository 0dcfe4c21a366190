"""VGG-16 (Simonyan and Zisserman, ICLR 2015, configuration D), with the parameter names that published weights use.

138,357,544 parameters with the classifier of 1,000 classes; without its last layer, as here, 134,260,544.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from torch import Tensor, nn

WIDTHS: Final = (64, 128, 256, 512, 512)
DEPTHS: Final = (2, 2, 3, 3, 3)
GRID: Final = 7
CLASSIFIER: Final = ("classifier.6.",)
"""What published weights have beyond this network."""


class VGG16(nn.Module):
    """Thirteen 3x3 convolutions in five blocks, and the first two fully connected layers.

    Args:
        widths: Channels of each block.
        hidden: Width of the fully connected layers.

    Example:
        >>> import torch
        >>> network = VGG16((2, 2, 4, 4, 4), 6).eval()
        >>> network(torch.zeros(1, 3, 64, 64)).shape, network.last_maps(torch.zeros(1, 3, 64, 64)).shape
        (torch.Size([1, 6]), torch.Size([1, 4, 4, 4]))
    """

    def __init__(self, widths: Sequence[int] = WIDTHS, hidden: int = 4096) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        inputs = 3
        for width, depth in zip(widths, DEPTHS, strict=True):
            for _ in range(depth):
                convolution = nn.Conv2d(inputs, width, 3, padding=1)
                nn.init.kaiming_normal_(convolution.weight, mode="fan_out", nonlinearity="relu")
                layers += [convolution, nn.ReLU()]
                inputs = width
            layers.append(nn.MaxPool2d(2))
        self.features = nn.Sequential(*layers)
        self.pool = nn.AdaptiveAvgPool2d(GRID)
        self.classifier = nn.Sequential(
            nn.Linear(inputs * GRID**2, hidden), nn.ReLU(), nn.Dropout(), nn.Linear(hidden, hidden), nn.ReLU()
        )

    def forward(self, images: Tensor) -> Tensor:
        """(B, 3, H, W), normalised -> the second fully connected layer after its ReLU, (B, hidden)."""
        out: Tensor = self.classifier(self.pool(self.features(images)).flatten(1))
        return out

    def last_maps(self, images: Tensor) -> Tensor:
        """(B, 3, H, W), normalised -> the last convolution before its ReLU, (B, C, H/16, W/16)."""
        out: Tensor = self.features[:-2](images)
        return out


def published_weights(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Published tensors under the names and shapes of :class:`VGG16`.

    Two layouts circulate: fully connected layers as such, or as convolutions called ``pre_logits``.

    Example:
        >>> import torch
        >>> found = published_weights({"pre_logits.fc2.weight": torch.zeros(5, 4, 1, 1), "head.fc.bias": torch.ones(2)})
        >>> {name: tuple(tensor.shape) for name, tensor in found.items()}
        {'classifier.3.weight': (5, 4), 'classifier.6.bias': (2,)}
    """
    places = {"pre_logits.fc1.": "classifier.0.", "pre_logits.fc2.": "classifier.3.", "head.fc.": "classifier.6."}
    found = {}
    for name, tensor in tensors.items():
        for theirs, ours in places.items():
            name = name.replace(theirs, ours) if name.startswith(theirs) else name
        is_matrix = name.startswith("classifier.") and tensor.ndim == 4
        found[name] = tensor.flatten(1) if is_matrix else tensor
    return found
