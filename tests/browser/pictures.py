"""
The pictures of the documentation: `make pictures`.

A file of tests that no other run collects. What is on them is the scene of the tests beside it.
"""

from collections.abc import Callable
from io import BytesIO
from pathlib import Path

import pytest
from PIL import Image

from tests.browser import scene
from tests.browser.visit import Visit
from tests.docs.blocks import DOCS

FOLDER = DOCS / "pictures"
WIDTH = 1280
COLOURS = 96
LARGEST = 150_000  # bytes
# A page of the scene, and how high the picture is at most.
PICTURES = {
    "overview": 1500,
    "failures": 620,
    "failure": 700,
    "job-dead": 1100,
    "queues": 560,
    "worker": 1000,
}


@pytest.fixture
def shop(transactional_db: None) -> scene.Scene:
    return scene.shop(dead=23)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_pictures(visit: Callable[..., Visit], shop: scene.Scene, scheme: str) -> None:
    visitor = visit(color_scheme=scheme, viewport={"width": WIDTH, "height": 500})
    for name, height in PICTURES.items():
        if scheme == "light":
            take(visitor, shop.pages[name], height, FOLDER / f"{name}.png")
        elif name == "overview":
            take(visitor, shop.pages[name], height, FOLDER / f"{name}-dark.png")
    if scheme == "light":
        page = visitor.open(shop.pages["failure"])
        visitor.click(page.get_by_role("button", name="Retry all"))
        take(visitor, "", 1100, FOLDER / "confirm.png")


def take(visitor: Visit, url: str, height: int, path: Path) -> None:
    """A picture of a page, or of the present one, in as few colours as it has."""
    page = visitor.open(url) if url else visitor.page
    shot = Image.open(BytesIO(page.screenshot(full_page=True)))
    part = shot.crop((0, 0, shot.width, min(height, shot.height))).convert("RGB")
    part.quantize(COLOURS, dither=Image.Dither.NONE).save(path, optimize=True)
    assert path.stat().st_size <= LARGEST, path
