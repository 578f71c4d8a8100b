"""Laws of image.thumbnail."""

import base64
import io
import struct
import zlib
from contextlib import suppress

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageCms

from taskyard import Discard
from taskyard.testing import run
from taskyard_worker.builtin import image_thumbnail
from taskyard_worker.builtin.image_thumbnail import thumbnail


def packed(image, form="PNG", **options):
    file = io.BytesIO()
    image.save(file, form, **options)
    return base64.b64encode(file.getvalue()).decode()


def unpacked(result):
    data = base64.b64decode(result["image"])
    assert len(data) == result["bytes"]
    image = Image.open(io.BytesIO(data))
    assert image.format.lower() == result["format"]
    assert image.size == (result["width"], result["height"])
    return image


sides = st.integers(1, 300)


@settings(deadline=None, max_examples=40)
@given(sides, sides, sides, sides, st.sampled_from(["png", "jpeg", "webp"]))
def test_it_fits_its_box_keeps_its_proportions_and_never_grows(width, height, max_width, max_height, form):
    payload = {"image": packed(Image.new("RGB", (width, height))), "max_width": max_width, "max_height": max_height}
    small = unpacked(run(thumbnail, payload | {"format": form}))
    assert small.width <= min(width, max_width)
    assert small.height <= min(height, max_height)
    scale = min(1, max_width / width, max_height / height)
    assert abs(small.width - width * scale) <= 1
    assert abs(small.height - height * scale) <= 1


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGB", "RGBA", "I;16"])
@pytest.mark.parametrize("form", ["png", "jpeg", "webp"])
def test_every_mode_of_png_comes_out_in_its_colour(mode, form):
    white = Image.new("I;16", (64, 32), 65535) if mode == "I;16" else Image.new("RGB", (64, 32), "white").convert(mode)
    small = unpacked(run(thumbnail, {"image": packed(white), "max_width": 8, "format": form}))
    assert small.size == (8, 4)
    assert min(small.convert("RGB").getpixel((3, 2))) >= 250


@pytest.mark.parametrize("form", ["JPEG", "WEBP", "GIF", "BMP", "TIFF"])
def test_every_format_named_is_read(form):
    assert run(thumbnail, {"image": packed(Image.new("RGB", (600, 300)), form)})["width"] == 256


def test_deep_greys_keep_their_shades():
    small = unpacked(run(thumbnail, {"image": packed(Image.new("I;16", (8, 8), 32768)), "format": "png"}))
    assert 126 <= small.convert("L").getpixel((1, 1)) <= 129


def test_transparency_shows_white_in_jpeg_and_stays_in_png():
    clear = packed(Image.new("RGBA", (8, 8), (255, 0, 0, 0)))
    assert min(unpacked(run(thumbnail, {"image": clear})).getpixel((4, 4))) >= 250
    assert unpacked(run(thumbnail, {"image": clear, "format": "png"})).getpixel((4, 4))[3] == 0


def test_it_stands_upright_and_carries_no_metadata():
    exif = Image.Exif()
    exif[0x0112], exif[0x010E] = 6, "where I live"
    source = Image.new("RGB", (400, 200), "red")
    source.paste("blue", (0, 0, 200, 200))  # after the turn: above
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    given = packed(source, "JPEG", exif=exif, icc_profile=profile, comment=b"private", quality=95)
    for form in ("png", "jpeg", "webp"):
        small = unpacked(run(thumbnail, {"image": given, "max_width": 100, "max_height": 100, "format": form}))
        assert small.size == (50, 100)
        red, _, blue = small.convert("RGB").getpixel((25, 10))
        assert (blue > 200, red < 60) == (True, True)
        assert not small.getexif()
        assert not {"icc_profile", "exif", "comment", "xmp"} & set(small.info)


def png_that_claims(width, height):
    def chunk(name, data):
        return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    data = b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(b"")) + chunk(b"IEND", b"")
    return base64.b64encode(data).decode()


@pytest.mark.parametrize("side", [6400, 10_000, 60_000])
def test_a_bomb_is_refused_before_it_is_decoded(side, monkeypatch):
    monkeypatch.setattr(Image.Image, "thumbnail", None)
    with pytest.raises(Discard, match=r"claims 6400 by 6400|DecompressionBomb"):
        run(thumbnail, {"image": png_that_claims(side, side)})


@pytest.mark.parametrize(
    "given",
    [
        "no base64!",
        base64.b64encode(b"no picture").decode(),
        png_that_claims(20, 20),
        base64.b64encode(b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n").decode(),
        base64.b64encode(bytes(image_thumbnail.MAX_INPUT_BYTES + 1)).decode(),
    ],
    ids=["no base64", "no picture", "cut off", "a format that is not opened", "too large"],
)
def test_what_is_no_picture_ends_the_task(given):
    with pytest.raises(Discard):
        run(thumbnail, {"image": given})


@settings(deadline=None, max_examples=150)
@given(st.data())
def test_broken_pictures_never_raise_anything_else(data):
    form = data.draw(st.sampled_from(["PNG", "JPEG", "WEBP", "GIF", "BMP", "TIFF"]))
    raw = bytearray(base64.b64decode(packed(Image.new("RGB", (16, 16), "teal"), form)))
    for _ in range(data.draw(st.integers(1, 4))):
        raw[data.draw(st.integers(0, len(raw) - 1))] = data.draw(st.integers(0, 255))
    with suppress(Discard):
        run(thumbnail, {"image": base64.b64encode(raw).decode()})


def test_a_thumbnail_too_large_for_a_result_is_refused_with_advice():
    noise = Image.effect_noise((900, 900), 200).convert("RGB")
    payload = {"image": packed(noise, "JPEG", quality=90), "max_width": 4096, "max_height": 4096}
    with pytest.raises(Discard, match="ask for a smaller max_width"):
        run(thumbnail, payload | {"format": "png"})
