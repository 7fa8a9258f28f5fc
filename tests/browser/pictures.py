"""`python -m tests.browser.pictures`: the README's pictures, from the recorded failing build."""

import tempfile
from pathlib import Path
from typing import Literal

from tests.browser.conftest import chromium, service

FOLDER = Path(__file__).parents[2] / "docs" / "images"
PICTURES: dict[str, tuple[int, Literal["light", "dark"]]] = {
    "mail-desktop": (720, "light"),
    "mail-phone": (390, "light"),
    "mail-phone-dark": (390, "dark"),
}


def main() -> None:
    """Write docs/images/*.png."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    with (
        tempfile.TemporaryDirectory() as folder,
        service(Path(folder)) as base,
        chromium() as browser,
    ):
        for name, (width, scheme) in PICTURES.items():
            page = browser.new_page(
                viewport={"width": width, "height": 400},
                color_scheme=scheme,
                device_scale_factor=1.5,
            )
            page.goto(f"{base}/preview/build/2-failure?part=html")
            page.screenshot(path=FOLDER / f"{name}.png", full_page=True)
            page.close()


if __name__ == "__main__":
    main()
