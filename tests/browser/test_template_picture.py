"""`template render --png`: a picture by the Chromium that is installed."""

import struct
from pathlib import Path

from playwright.sync_api import Browser

from tests.builders.command import run


def test_a_picture_is_as_high_as_its_mail(browser: Browser, tmp_path: Path) -> None:
    """In the width that is wanted, and in dark mode with dark colours."""
    heights, corners = [], []
    for name, words in {"light": (), "dark": ("--width", "390", "--dark")}.items():
        file = tmp_path / f"{name}.png"
        done = run("template", "render", "build", "2-compile-error", "--png", str(file), *words)
        assert done.returncode == 0, done.stderr
        content = file.read_bytes()
        width, height = struct.unpack(">II", content[16:24])
        assert (content[:4], width) == (b"\x89PNG", 390 if name == "dark" else 720)
        heights.append(height)
        corners.append(_last_pixel(browser, file))
    assert heights[1] > heights[0] > 800
    assert corners == [[242, 244, 247], [27, 34, 43]]


def _last_pixel(browser: Browser, file: Path) -> list[int]:
    page = browser.new_page()
    page.goto(file.as_uri())
    pixel: list[int] = page.evaluate(
        """() => {
          const canvas = document.createElement('canvas'), image = document.images[0];
          canvas.width = canvas.height = 1;
          const context = canvas.getContext('2d');
          context.drawImage(image, 0, 1 - image.naturalHeight);
          return [...context.getImageData(0, 0, 1, 1).data].slice(0, 3);
        }"""
    )
    page.close()
    return pixel
