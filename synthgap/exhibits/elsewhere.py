"""Exhibits of pages that are no chapters: nothing is computed for them when a chapter runs."""

from __future__ import annotations

from .base import exhibit

TEXTURES = "one run by hand on a folder of textures, told in the text"
EXAMPLE = "an example of a reader's own data"

exhibit("fig-headline", copy_of="fig-answer")(None)
exhibit("fig-graph", rests_on="a drawing of the code's own structure", apart="it is about this book")(None)
exhibit(
    "fig-rivals-digits",
    rests_on="one run by hand at the preset full, told in the text",
    apart="the paper shows no image of its GAN",
)(None)
for name in ("fig-your-data-worth", "fig-your-data-gains", "fig-your-data-nearest"):
    exhibit(name, rests_on=TEXTURES, apart=EXAMPLE)(None)
