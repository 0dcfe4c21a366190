"""Our own backbone: what the image network of a trained run, or of a bundle, says about a picture.

Paper        none; a network of this project, compared with the published descriptors
Input        a picture of any size, resized to side x side
Output       of a run the mean over places of the last stage (320 numbers); of a bundle its vector (256, of length 1)
Equations    mean over places of the last stage                                   -> pooled
             vector of a bundle, by ONNX Runtime                                  -> nn.none (models.bundle.Bundle)
Deviations   none
Reproduces   nothing published
Provenance   Ours
"""
