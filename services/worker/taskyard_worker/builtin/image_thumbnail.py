"""The kind `image.thumbnail`: a smaller picture of a picture, upright, in sRGB and without its metadata.

Pictures come from strangers. Only the formats named here are opened, and the size that a header claims is looked at
before a pixel is decoded: a few kilobytes of PNG can claim gigabytes.
"""

import base64
import binascii
import io
import struct
import warnings
from typing import Annotated, Final, Literal

from PIL import Image, ImageCms, ImageOps
from pydantic import BaseModel, ConfigDict, Field

from taskyard import Context, Discard, task
from taskyard.documents import MAX_RESULT_BYTES

FORMATS: Final = ("PNG", "JPEG", "WEBP", "GIF", "BMP", "TIFF")
MAX_INPUT_BYTES: Final = 1024 * 1024
MAX_PIXELS: Final = 40_000_000  # 160 MB while decoded, at 4 bytes each
MAX_OUTPUT_BYTES: Final = (MAX_RESULT_BYTES - 1024) * 3 // 4  # base64 makes 4 of 3
_ORIENTATION: Final = 0x0112  # EXIF; from 5 on the picture lies on its side
_SIDEWAYS: Final = range(5, 9)
_PLAIN_MODES: Final = frozenset({"L", "LA", "RGB", "RGBA", "CMYK", "YCbCr"})
_UNDECODABLE: Final = (  # what Pillow's decoders raise on malformed data, as seen and as documented
    OSError, SyntaxError, ValueError, TypeError, LookupError, ArithmeticError, EOFError, struct.error,
    Image.DecompressionBombError, Image.DecompressionBombWarning,
)  # fmt: skip


class Picture(BaseModel):
    """A picture, and what to make of it."""

    model_config = ConfigDict(
        extra="forbid", json_schema_extra={"examples": [{"image": "iVBORw0KGgo…", "max_width": 320, "format": "webp"}]}
    )

    image: Annotated[str, Field(min_length=1, description=f"base64 of a {', '.join(FORMATS)} file of at most 1 MiB")]
    max_width: Annotated[int, Field(ge=1, le=4096, description="in pixels; the proportions are kept")] = 256
    max_height: Annotated[int, Field(ge=1, le=4096, description="in pixels; the proportions are kept")] = 256
    format: Annotated[Literal["jpeg", "png", "webp"], Field(description="jpeg shows what is transparent as white")] = (
        "jpeg"
    )
    quality: Annotated[int, Field(ge=1, le=95, description="of jpeg and webp; png loses nothing")] = 85


class Thumbnail(BaseModel):
    """The smaller picture: `image` is base64 of a file of `bytes` bytes, `width` by `height` pixels."""

    image: str
    format: Literal["jpeg", "png", "webp"]
    width: int
    height: int
    bytes: int


@task("image.thumbnail", timeout_s=60, max_attempts=3)
def thumbnail(ctx: Context, picture: Picture) -> Thumbnail:
    """Scale a picture down to fit into a box; one that fits already keeps its size."""
    data = _decoded(picture.image)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # Pillow's remarks on metadata, which are dropped anyway
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            scaled = _scaled(data, picture.max_width, picture.max_height)
    except _UNDECODABLE as error:
        raise Discard(f"the image cannot be read: {type(error).__name__}: {error}") from error
    ctx.progress(0.8, "scaled")
    encoded = _encoded(scaled, picture.format, picture.quality)
    if len(encoded) > MAX_OUTPUT_BYTES:
        raise Discard(
            f"the thumbnail has {len(encoded)} bytes, a result holds {MAX_OUTPUT_BYTES}: "
            "ask for a smaller max_width, a lower quality, or jpeg or webp instead of png"
        )
    return Thumbnail(
        image=base64.b64encode(encoded).decode(),
        format=picture.format,
        width=scaled.width,
        height=scaled.height,
        bytes=len(encoded),
    )


def _decoded(text: str) -> bytes:
    try:
        data = base64.b64decode("".join(text.split()), validate=True)
    except (binascii.Error, ValueError) as error:
        raise Discard(f"image is no base64: {error}") from error
    if len(data) > MAX_INPUT_BYTES:
        raise Discard(f"the image has {len(data)} bytes; at most {MAX_INPUT_BYTES} are taken")
    return data


def _scaled(data: bytes, max_width: int, max_height: int) -> Image.Image:
    opened = Image.open(io.BytesIO(data), formats=FORMATS)
    if opened.width * opened.height > MAX_PIXELS:
        raise Discard(f"the image claims {opened.width} by {opened.height} pixels; at most {MAX_PIXELS} are decoded")
    orientation, profile = _orientation(opened), opened.info.get("icc_profile")
    box = (max_height, max_width) if orientation in _SIDEWAYS else (max_width, max_height)
    opened.draft(None, (box[0] * 2, box[1] * 2))  # JPEG decodes at a fraction of the size, where that is enough
    image = _plain(opened)
    image.thumbnail(box, Image.Resampling.LANCZOS)
    image.getexif()[_ORIENTATION] = orientation
    final = _in_srgb(ImageOps.exif_transpose(image), profile)
    final.info = {}
    return final


def _orientation(image: Image.Image) -> int:
    try:
        orientation = image.getexif().get(_ORIENTATION)
    except _UNDECODABLE:  # broken metadata do not make a broken picture
        return 1
    return orientation if isinstance(orientation, int) else 1


def _plain(image: Image.Image) -> Image.Image:
    """Bring palettes, bitmaps and deep greys to modes that scale smoothly and that every format can hold."""
    if image.mode.startswith("I"):  # 16 bits: a plain conversion would cut all but the darkest off
        return image.point(lambda level: level / 256).convert("L")
    if image.mode in _PLAIN_MODES:
        return image
    return image.convert("RGBA" if image.has_transparency_data else "RGB")


def _in_srgb(image: Image.Image, profile: bytes | None) -> Image.Image:
    """Convert to sRGB, which is what a picture without a profile is taken for; a broken profile is ignored."""
    if profile and image.mode in {"RGB", "RGBA", "CMYK"}:
        try:
            source = ImageCms.ImageCmsProfile(io.BytesIO(profile))
            target = "RGBA" if image.mode == "RGBA" else "RGB"
            converted = ImageCms.profileToProfile(image, source, ImageCms.createProfile("sRGB"), outputMode=target)
        except (ImageCms.PyCMSError, OSError):
            converted = None
        if converted is not None:
            return converted
    return image if image.mode in {"L", "LA", "RGB", "RGBA"} else image.convert("RGB")


def _encoded(image: Image.Image, form: str, quality: int) -> bytes:
    if form == "jpeg" and image.mode in {"LA", "RGBA"}:
        ground = Image.new("RGBA", image.size, "white")
        image = Image.alpha_composite(ground, image.convert("RGBA")).convert("RGB")
    if form == "webp" and image.mode == "LA":
        image = image.convert("RGBA")
    file = io.BytesIO()
    if form == "png":
        image.save(file, "PNG", optimize=True)
    else:
        image.save(file, form, quality=quality, optimize=True)
    return file.getvalue()
