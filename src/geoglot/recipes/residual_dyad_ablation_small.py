"""The paper's first table on UC Merced at a size that one CPU core trains: 128 pixels, a latent of 4x4x512.

Depth and latent are the paper's, the first widths are half of it; the discriminator is a quarter of ours at full size.
The paper's SGD at 0.001 hardly moves in so few steps, so AdamW follows a rising and falling rate. The autoencoders
on RSICD draw 3,000 of its images for each of 20 epochs. Discriminators learn from the pairs within batches of
eight images of eight classes, on latents of all eight views.

Launch: ``geoglot train residual_dyad_ablation_small --data-root DIR --out runs/ablation-small --resume``; the same
command goes on after an interruption, and ``--only 'dyad-*'`` leaves the other half to a second core.
"""

from dataclasses import replace

from geoglot.engine.matching.recipe import Stage
from geoglot.recipes.residual_dyad_ablation import ablation

SMALL = {"widths": (32, 64, 128, 512), "discriminator_widths": (64, 128, 32)}

RECONSTRUCTION = Stage(
    kind="reconstruction",
    epochs=20,
    batch=32,
    optimiser="adamw",
    learning_rate=1e-3,
    weight_decay=0.01,
    clip=1.0,
    schedule="one-cycle",
    patience=20,
    mirrored=True,
)

PAIRS = Stage(
    kind="pairs",
    epochs=40,
    batch=64,
    classes=8,
    sampling="batch",
    pairs=896,
    optimiser="adamw",
    learning_rate=1e-3,
    weight_decay=0.05,
    clip=1.0,
    schedule="one-cycle",
    patience=40,
    mirrored=True,
)

SWEEP = {
    name: replace(recipe, precision="bfloat16")
    for name, recipe in ablation(
        side=128,
        unlabelled=replace(RECONSTRUCTION, data=("rsicd",), images=3000),
        own=RECONSTRUCTION,
        tuning=replace(RECONSTRUCTION, epochs=8, learning_rate=5e-4, patience=8),
        pairs=PAIRS,
        config=SMALL,
    ).items()
}
