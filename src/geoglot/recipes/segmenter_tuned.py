"""The shipped segmenter's second part: from a run of ``segmenter`` on, with more and heavier captions.

After the first part, things that only captions show in real pictures (tanks, planes, courts) were found in the right
place but seldom with a probability above a half.

Launch: ``geoglot train segmenter_tuned --backbone-weights runs/segmenter``, then
``geoglot export runs/segmenter_tuned``.
"""

from dataclasses import replace

from geoglot.recipes.segmenter import RECIPE as FIRST

RECIPE = replace(FIRST, rounds=8, caption_weight=1.5, captioned=20, learning_rate=1e-3, seed=1)
