"""LAVT on RefSegRS as the RefSegRS paper trained it: 480 pixels, AdamW, 40 epochs in batches of 8.

Swin-B of windows of 12, trained on ImageNet-22k, and BERT-base are fetched by name when they are first asked for; local
files do as well: ``--backbone-weights swin.safetensors --text-weights bert/``.

Launch: ``geoglot train lavt_refsegrs --data-root datasets/ --out runs/lavt --resume``.
"""

from geoglot.engine.segmentation.recipe import SegmentationRecipe

RECIPE = SegmentationRecipe(
    method="lavt",
    datasets=("refsegrs",),
    tokenizer="bert",
    backbone_weights="timm:swin_base_patch4_window12_384.ms_in22k",
    text_weights="hub:google-bert/bert-base-uncased",
    watch_test=True,
)
