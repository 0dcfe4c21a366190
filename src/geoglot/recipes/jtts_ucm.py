"""JTTS on UCM-captions as its paper trained it: ResNet-101 with ImageNet weights, frozen, hidden states of 1,000.

Launch: ``geoglot train jtts_ucm --backbone-weights resnet101.safetensors --word-vectors glove.6B.300d.txt``. The word
vectors may be left out.
"""

from geoglot.engine.captioning.recipe import CaptioningRecipe

RECIPE = CaptioningRecipe(method="jtts", datasets=("ucm",), beams=(1,))
