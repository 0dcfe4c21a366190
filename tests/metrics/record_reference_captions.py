"""Records what the public evaluation says of the toy captions in reference_captions.json.

    PYTHON tests/metrics/record_reference_captions.py

PYTHON has pycocoevalcap 1.2 and numpy; Java runs its tokenizer and METEOR 1.5. The captions stay, the values are new.
"""

from __future__ import annotations

import json
import platform
from importlib.metadata import version
from pathlib import Path

FILE = Path(__file__).parent / "reference_captions.json"


def main():
    from pycocoevalcap.bleu.bleu import Bleu
    from pycocoevalcap.cider.cider import Cider
    from pycocoevalcap.meteor.meteor import Meteor
    from pycocoevalcap.rouge.rouge import Rouge
    from pycocoevalcap.tokenizer.ptbtokenizer import PTBTokenizer

    content = json.loads(FILE.read_text(encoding="utf-8"))
    meteor = Meteor()
    for case in content["cases"].values():
        ids = list(case["hypotheses"])
        references = PTBTokenizer().tokenize({i: [{"caption": c} for c in case["references"][i]] for i in ids})
        hypotheses = PTBTokenizer().tokenize({i: [{"caption": case["hypotheses"][i]}] for i in ids})
        case["words"] = {"hypotheses": {i: hypotheses[i][0] for i in ids}, "references": references}
        bleu, of_images = Bleu(4).compute_score(references, hypotheses, verbose=0)
        case["bleu"], case["image_bleu"] = bleu, [list(row) for row in zip(*of_images, strict=True)]
        for name, tool in (("rouge_l", Rouge()), ("cider", Cider()), ("meteor", meteor)):
            value, of_images = tool.compute_score(references, hypotheses)
            case[name], case[f"image_{name}"] = float(value), [float(one) for one in of_images]
    content |= {
        "tool": f"pycocoevalcap {version('pycocoevalcap')}",
        "tokenizer": "its PTBTokenizer (Stanford CoreNLP 3.4.1)",
        "meteor": "its meteor-1.5.jar",
        "python": platform.python_version(),
        "numpy": version("numpy"),
        "command": "python tests/metrics/record_reference_captions.py",
    }
    FILE.write_text(json.dumps(content, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
