"""gAMA, cHRM, cICP and nclx: within two levels of what colour-science computes."""

import io

import numpy as np
import pytest
from pictures import BT709, P3, RAMP, RGB, SRGB, chrm, gama, png, read, saved
from PIL import Image

ADOBE = ((0.64, 0.33), (0.21, 0.71), (0.15, 0.06)), (0.3127, 0.3290)
GRAY3 = RAMP[..., None].repeat(3, -1)
COLOURS = np.random.default_rng(1).integers(0, 256, (16, 16, 3), np.uint8)
LEVELS = 2


@pytest.fixture(scope="module")
def colour():
    return pytest.importorskip("colour")


def in_srgb(colour, pixels: np.ndarray, space, decode) -> np.ndarray:
    """sRGB levels of pixels (height, width, 3) in a space (primaries, white) with a decoding."""
    source = colour.RGB_Colourspace("source", np.array(space[0]), np.array(space[1]))
    target = colour.RGB_COLOURSPACES["sRGB"]
    linear = colour.RGB_to_RGB(decode(pixels / 255), source, target, "Bradford")
    encoded = colour.cctf_encoding(np.clip(linear, 0, 1), "sRGB")
    return np.round(np.clip(encoded, 0, 1) * 255)


def close(pixels: np.ndarray, expected: np.ndarray) -> bool:
    return np.abs(pixels.astype(int) - expected).max() <= LEVELS


@pytest.mark.filterwarnings("ignore:gAMA and cHRM are applied")
@pytest.mark.parametrize("gamma", [1.0, 0.7, 0.5, 0.55, 0.38])
def test_gamma(colour, gamma):
    pixels, metadata = read(png(GRAY3, gama(gamma)))
    assert close(pixels, in_srgb(colour, GRAY3, BT709, lambda v: v ** (1 / gamma)))
    assert metadata == {}


def test_gamma_1_is_told_and_right():
    with pytest.warns(UserWarning, match="gAMA and cHRM are applied"):
        pixels, _ = read(png(GRAY3, gama(1.0)))
    assert pixels[0, 64].tolist() == [137] * 3


@pytest.mark.filterwarnings("ignore:gAMA and cHRM are applied")
@pytest.mark.parametrize("channels", [1, 2])
def test_gamma_of_gray(channels):
    pixels = np.full((1, 256, 2), 255, np.uint8)
    pixels[..., 0] = RAMP
    assert read(png(pixels[..., :channels], gama(1.0)))[0][0, 64].tolist() == [137] * 3


@pytest.mark.filterwarnings("ignore:gAMA and cHRM are applied")
@pytest.mark.parametrize("space", [ADOBE, P3], ids=["adobe", "p3"])
def test_primaries(colour, space):
    pixels, _ = read(png(COLOURS, gama(1 / 2.2), chrm(*space)))
    assert close(pixels, in_srgb(colour, COLOURS, space, lambda v: v**2.2))


@pytest.mark.filterwarnings("ignore:gAMA and cHRM are applied")
def test_primaries_without_gamma(colour):
    pixels, _ = read(png(COLOURS, chrm(*P3)))
    decode = colour.RGB_COLOURSPACES["sRGB"].cctf_decoding
    assert close(pixels, in_srgb(colour, COLOURS, P3, decode))


@pytest.mark.parametrize(
    "chunks",
    [
        [gama(0.45455)],
        [gama(0.45455), chrm(*BT709)],
        [(b"sRGB", b"\0"), gama(1.0)],
        [(b"cICP", bytes((1, 13, 0, 1))), gama(1.0)],
    ],
    ids=["gamma", "gamma-primaries", "srgb", "cicp"],
)
def test_srgb_passes_untouched(chunks, recwarn):
    pixels, metadata = read(png(RGB, *chunks))
    assert np.array_equal(pixels, RGB) and metadata == {} and not recwarn


def test_an_icc_profile_goes_before_gamma(recwarn):
    file = saved(Image.fromarray(RGB), icc_profile=SRGB)
    data = file.getvalue()
    gamma = png(RGB, gama(1.0)).getvalue()[33:49]
    pixels, metadata = read(io.BytesIO(data[:33] + gamma + data[33:]))
    assert np.array_equal(pixels, RGB) and metadata == {"icc_profile": SRGB}


@pytest.mark.parametrize("chunk", [gama(0.0), (b"cHRM", bytes(32))])
def test_senseless_gamma_is_told(chunk):
    with pytest.warns(UserWarning, match="make no sense"):
        assert np.array_equal(read(png(RGB, chunk))[0], RGB)


# Primaries and transfer of H.273, and colour-science's names.
SPACES = {
    (12, 13): ("P3-D65", "sRGB"),
    (9, 14): ("ITU-R BT.2020", "ITU-R BT.709"),
    (1, 1): ("ITU-R BT.709", "ITU-R BT.709"),
    (1, 8): ("ITU-R BT.709", None),
    (12, 8): ("P3-D65", None),
    (9, 4): ("ITU-R BT.2020", 2.2),
    (6, 5): ("SMPTE C", 2.8),
    (1, 7): ("ITU-R BT.709", "SMPTE 240M"),
}


def decoding(colour, name):
    if name is None:
        return lambda v: v
    if isinstance(name, float):
        return lambda v: v**name
    if name == "sRGB":
        return colour.RGB_COLOURSPACES["sRGB"].cctf_decoding
    if name == "SMPTE 240M":
        return lambda v: colour.models.eotf_SMPTE240M(v)
    return lambda v: colour.models.oetf_inverse_BT709(v)


@pytest.mark.parametrize("codes", SPACES)
def test_cicp_is_converted(colour, codes):
    space, transfer = SPACES[codes]
    known = colour.RGB_COLOURSPACES[space]
    with pytest.warns(UserWarning, match="are converted"):
        pixels, metadata = read(png(COLOURS, (b"cICP", bytes((*codes, 0, 1)))))
    expected = in_srgb(
        colour, COLOURS, (known.primaries, known.whitepoint), decoding(colour, transfer)
    )
    assert close(pixels, expected) and metadata == {}


@pytest.mark.parametrize("codes", [(12, 16), (9, 18), (9, 16), (1, 9)])
def test_what_littlecms_cannot_convert_is_carried(codes):
    with pytest.warns(UserWarning, match="carried as cicp"):
        pixels, metadata = read(png(RGB, (b"cICP", bytes((*codes, 0, 1)))))
    assert np.array_equal(pixels, RGB) and metadata == {"cicp": bytes((*codes, 0, 1))}


def test_narrow_range_is_widened():
    levels = np.array([[[16] * 3, [126] * 3, [235] * 3, [255] * 3]], np.uint8)
    pixels, _ = read(png(levels, (b"cICP", bytes((1, 13, 0, 0)))))
    assert pixels[0, :, 0].tolist() == [0, 128, 255, 255]


def avif(codes: tuple[int, int]) -> io.BytesIO:
    """An AVIF of one colour whose nclx says `codes`."""
    data = saved(Image.new("RGB", (16, 16), (200, 90, 40)), "AVIF", quality=100).getvalue()
    start = data.index(b"colrnclx") + 8
    codes_there = b"".join(code.to_bytes(2, "big") for code in codes)
    return io.BytesIO(data[:start] + codes_there + data[start + 4 :])


def test_nclx_of_avif_is_converted(colour):
    plain, _ = read(avif((1, 13)))
    with pytest.warns(UserWarning, match="primaries 12, transfer 13 are converted"):
        pixels, metadata = read(avif((12, 13)))
    decode = colour.RGB_COLOURSPACES["sRGB"].cctf_decoding
    assert close(pixels, in_srgb(colour, plain, P3, decode)) and metadata == {}


def test_nclx_of_avif_is_carried():
    plain, _ = read(avif((1, 13)))
    with pytest.warns(UserWarning, match="carried as cicp"):
        pixels, metadata = read(avif((9, 16)))
    assert np.array_equal(pixels, plain) and metadata == {"cicp": bytes((9, 16, 0, 1))}


def test_nclx_of_heif_is_carried():
    heif = pytest.importorskip("pillow_heif")
    heif.register_heif_opener()
    options = {"color_primaries": 9, "transfer_characteristics": 16}
    file = saved(Image.new("RGB", (16, 16), (200, 90, 40)), "HEIF", **options)
    with pytest.warns(UserWarning, match="primaries 9, transfer 16 are carried"):
        assert read(file)[1] == {"cicp": bytes((9, 16, 0, 1))}
