"""The report as pages: everything inside, what it shows, and its plot in a browser."""

import base64
import io
import json
import re
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
import torch
from conftest import noise
from PIL import Image

from mcm_fast.evaluation.html_image import (
    FULL,
    Decoded,
    _busiest,
    _map,
    _palette,
    image_page,
    thumbnail,
)
from mcm_fast.evaluation.html_report import at_equal_bytes, write_html
from mcm_fast.evaluation.measure import Rendered, Result, distortion
from mcm_fast.images import write_image

for package in ("scipy", "pytorch_msssim"):
    pytest.importorskip(package, reason="needs the extra [train]")

CURVE = {"quality": [1, 2, 3], "bpp": [0.1, 0.3, 0.9], "psnr": [28.0, 31.5, 36.0]}


class _Addresses(HTMLParser):
    """Every address that a page would load or go to."""

    def __init__(self):
        super().__init__()
        self.loaded: list[str] = []
        self.links: list[str] = []

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        for key, value in attributes:
            if key in ("src", "srcset", "poster", "data") or (tag == "link" and key == "href"):
                self.loaded.append(value)
            elif key == "href":
                self.links.append(value)


def _result() -> Result:
    other = {"bpp": [0.1, 0.3, 0.9], "psnr": [27.0, 30.5, 35.0]}
    ours = CURVE | {"ms_ssim": [0.9, 0.95, float("nan")]}
    about = {"images": 2, "folder": "p", "device": "cpu", "threads": 1, "torch": "2"}
    return Result("ours </script>", [], ours, {"JPEG": other}, about)


pytestmark = pytest.mark.filterwarnings("ignore:.* takes .* bytes")  # random weights


@pytest.fixture
def report(tmp_path: Path, codec) -> Path:
    images = tmp_path / "photos"
    images.mkdir()
    for seed, name in enumerate(("first", "second & last")):
        write_image(noise(72, 88, seed) // 4 + 90, images / f"{name}.png")
    coder = at_equal_bytes(Rendered(codec, "faithful"), "ours", ["JPEG", ""], 4.0, distortion)
    available = {"DISTS": "no: its weights are not given (--dists)", "PIM": "yes"}
    return write_html(_result(), images, tmp_path / "out", coder, available)


def test_the_pages_need_no_network(report: Path) -> None:
    pages = [report, *sorted((report.parent / "images").iterdir())]
    assert [page.name for page in pages[1:]] == ["first.html", "second & last.html"]
    for page in pages:
        found = _Addresses()
        found.feed(page.read_text())
        assert found.loaded and all(address.startswith("data:") for address in found.loaded)
        assert found.links and all((page.parent / link).is_file() for link in found.links)
        assert set(re.findall(r"url\((.{5})", page.read_text())) <= {"data:"}
        assert "@import" not in page.read_text()


def test_what_the_report_tells(report: Path) -> None:
    text = report.read_text()
    assert "ours &lt;/script&gt;" in text and "ours </script>" not in text
    assert "Not available: DISTS: no: its weights are not given (--dists)." in text
    assert "<td>31.50</td>" in text and re.search(r"JPEG</th><td>-\d+\.\d %</td>", text)
    data = re.search(r'<script type="application/json" id="curves">(.*?)</script>', text).group(1)
    content = json.loads(data)
    assert content["metrics"] == {"psnr": "PSNR (dB)", "ms_ssim": "MS-SSIM"}
    assert content["curves"]["JPEG"] == {"psnr": [[0.1, 27.0], [0.3, 30.5], [0.9, 35.0]]}
    assert content["curves"]["ours </script>"]["ms_ssim"] == [[0.1, 0.9], [0.3, 0.95]]


def test_a_page_of_an_image_has_every_codec_at_one_rate(report: Path) -> None:
    text = (report.parent / "images" / "first.html").read_text()
    rows = re.findall(r'<th scope="row">(\w+)</th><td>([\d.]+)</td><td>([\d.]+)</td>', text)
    assert [row[0] for row in rows] == ["ours", "JPEG"]
    assert float(rows[1][1]) == pytest.approx(float(rows[0][1]), rel=0.15)
    assert text.count("<figure>") == 2 * 3 + 2  # two crops of three pictures, two whole maps


def test_colours_of_errors() -> None:
    data = _map(torch.tensor([[0.0, FULL, 200.0, FULL / 5]])).partition(",")[2]
    with Image.open(io.BytesIO(base64.b64decode(data))) as picture:
        found = np.asarray(picture.convert("RGB"))
    assert found.tolist() == [[[0, 0, 4], [255] * 3, [255] * 3, [66, 10, 104]]]
    assert (np.diff(_palette().sum(-1, dtype=int)) >= 0).all()


def test_the_busiest_window() -> None:
    weight = torch.zeros(400, 600)
    weight[200:230, 500:520] = 1
    rows, columns = _busiest(weight)
    assert rows.start <= 200 and rows.stop >= 230 and rows.stop - rows.start == 192
    assert columns.start <= 500 and columns.stop >= 520
    assert _busiest(torch.ones(30, 500)) == (slice(0, 30), slice(0, 192))


def test_images_of_any_size() -> None:
    for height, width in ((1, 1), (5, 700), (193, 3)):
        image = noise(height, width)
        measures = {"bpp": None, "psnr": None}
        page = image_page("x", image, [Decoded("a", image, measures)], "w", "y")
        assert "<b>a</b>" in page and thumbnail(image).shape[1] <= 300


def test_the_plot_in_a_browser(report: Path, tmp_path: Path) -> None:
    pytest.importorskip("selenium", reason="needs selenium (the extra [test])")
    from test_judge_page import CHROMIUM, DRIVER, Page

    if not (CHROMIUM and DRIVER):
        pytest.skip("needs Debian's packages chromium and chromium-driver")
    from selenium.webdriver.common.keys import Keys

    page = Page(tmp_path / "profile", report.as_uri())
    try:
        assert page.run("document.querySelectorAll('#plot path').length") == 2
        assert page.run("document.querySelectorAll('#plot circle').length") == 6 + 1
        last = page.find("#plot circle:nth-last-of-type(2)")  # ours, drawn last, at 0.9 bpp
        page.run("window.scrollTo(0, 0)")
        page.hover(last)
        assert page.find("#readout").text == "ours </script>: 0.900 bpp, PSNR (dB) 36.00"
        page.find("#plot").send_keys(Keys.ARROW_LEFT)
        assert page.find("#readout").text.endswith("0.300 bpp, PSNR (dB) 31.50")
        page.find("#plot").send_keys(Keys.ARROW_DOWN)
        assert page.find("#readout").text == "JPEG: 0.300 bpp, PSNR (dB) 30.50"
        page.find("#legend button").click()
        assert page.run("document.querySelectorAll('#plot path').length") == 1
        page.run("(metric.value = 'ms_ssim', metric.dispatchEvent(new Event('change')))")
        assert page.run("document.querySelectorAll('#plot path').length") == 0  # ours is hidden
        page.find(".cards a").click()
        assert "Most detail" in page.find("body").text and not page.errors()
    finally:
        page.driver.quit()
