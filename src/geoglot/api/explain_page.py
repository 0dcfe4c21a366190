"""An explanation as one HTML page: no script, no font of ours; the viewer's browser draws every script there is."""

from __future__ import annotations

import base64
from html import escape
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from geoglot.api.drawing import heat_colour, with_heat
from geoglot.api.explain_picture import chips, facts, peak_text, said
from geoglot.api.printable import printable
from geoglot.api.query import text_direction
from geoglot.core.runs import whole_file

if TYPE_CHECKING:
    from geoglot.api.explain import Explanation

_STYLE = """
body { margin: 0 auto; padding: 2rem; max-width: 76rem; background: #fcfbf8; color: #1c222b;
  font-family: system-ui, "Segoe UI", "Noto Sans", "Noto Sans Arabic", Tahoma, sans-serif; }
h1 { font-size: 1.8rem; margin: 0 0 .3rem; }
p { color: #68707a; margin: .3rem 0 1rem; }
.pictures { display: flex; flex-wrap: wrap; gap: 1.5rem; }
.pictures img { flex: 1 1 20rem; min-width: 0; max-width: 36rem; border-radius: .6rem; height: auto; }
.scale { display: flex; gap: .7rem; align-items: center; justify-content: flex-end; margin: .8rem 0; color: #68707a; }
.scale img { width: 11rem; height: .6rem; border-radius: .3rem; }
[dir=rtl] .scale img { transform: scaleX(-1); }
ul { display: flex; flex-wrap: wrap; gap: .6rem; list-style: none; padding: 1rem 0 0; margin: 0 0 1rem;
  border-top: 1px solid #dedcd5; }
li { border-radius: 2rem; padding: .4rem .9rem; font-size: 1.3rem; }
li small { font-size: .85rem; margin-inline-start: .5rem; }
""".strip()


def write_page(explanation: Explanation, path: Path) -> Path:
    """Write the page, whole or not at all."""
    with whole_file(path) as temporary:
        temporary.write_text(page(explanation), encoding="utf-8")
    return path


def page(explanation: Explanation) -> str:
    """The page as HTML."""
    direction = text_direction(explanation.text)
    title = escape(printable(explanation.text))
    heated = with_heat(explanation.picture, explanation.heat)
    bar = heat_colour(np.linspace(0, 1, 180, dtype=np.float32))[None].repeat(4, axis=0).round().astype(np.uint8)
    words = "".join(
        f'<li style="background: rgb{chip.fill}">{escape(printable(chip.text))}'
        f'<small dir="ltr">{escape(chip.number)}</small></li>'
        for chip in chips(explanation)
    )
    policy = "default-src 'none'; img-src data:; style-src 'unsafe-inline'"
    return f"""<!doctype html>
<html lang="{escape(explanation.language)}" dir="{direction}">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="{policy}">
<meta name="viewport" content="width=device-width">
<title>{title}</title>
<style>
{_STYLE}
</style>
</head>
<body>
<h1>{title}</h1>
<p>{escape(printable(facts(explanation)))}</p>
<div class="pictures"><img alt="" src="{_address(explanation.picture)}"><img alt="" src="{_address(heated)}"></div>
<div class="scale"><img alt="" src="{_address(bar)}"><span>{escape(peak_text(explanation))}</span></div>
<ul>{words}</ul>
<p>{escape(said(explanation)[explanation.how])}</p>
</body>
</html>
"""


def _address(pixels: NDArray[np.uint8]) -> str:
    """A picture as a data address."""
    from PIL import Image

    file = BytesIO()
    Image.fromarray(pixels).save(file, "JPEG", quality=90)
    return f"data:image/jpeg;base64,{base64.b64encode(file.getvalue()).decode()}"
