"""``geoglot convert-checkpoint``: a pickled checkpoint becomes safetensors."""

from __future__ import annotations

import argparse
from pathlib import Path

GROUP = "Models and methods"
SUMMARY = "Turn a .pt checkpoint into .safetensors, in a process of its own."
EXAMPLES = """
  geoglot convert-checkpoint RemoteCLIP-ViT-B-32.pt remoteclip-b32.safetensors
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare options and arguments."""
    parser.add_argument("file", type=Path, metavar="FILE", help="checkpoint written by torch.save (.pt, .pth, .bin)")
    parser.add_argument("out", type=Path, metavar="OUT", help="new file, NAME.safetensors")


def run(options: argparse.Namespace) -> int:
    """Convert and tell where the file is."""
    from geoglot.cli._command import DONE, needs_torch, warn

    with needs_torch():
        from geoglot.engine.conversion import convert

        count = convert(options.file, options.out)
    warn(f"{count} tensors")
    print(options.out)
    return DONE
