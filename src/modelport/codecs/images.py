"""Images as inputs: `Annotated[np.ndarray, modelport.Image(...)]` or `PIL.Image.Image`.

What an image claims to be is read from its head, before anything of it is decoded; decoding is left to the thread that
calls the model, so that images which wait take no more memory than their files.
"""

from __future__ import annotations

import base64
import binascii
from dataclasses import dataclass, field
from io import BytesIO
from typing import Any, NoReturn

from modelport.codecs.problems import declared_wrong, refuse

FORMATS = ("JPEG", "PNG", "WEBP")
KNOWN_FORMATS = (*FORMATS, "BMP", "GIF", "TIFF")
MEDIA_TYPES = {name: f"image/{name.lower()}" for name in KNOWN_FORMATS}
MODES = {"RGB": 3, "RGBA": 4, "L": 1}
MAX_PIXELS = 25_000_000
MAX_SIDE = 65_500


@dataclass(frozen=True)
class Image:
    """An input that is an image file: decoded, turned upright by its EXIF orientation, in one mode.

    `max_pixels`: larger ones are refused by their head. `formats`: which files are read. `mode`: RGB, RGBA or L (grey);
    where it has no alpha, transparent parts are laid on `background`. `size`: (width, height) to scale to.
    An array comes as uint8 with the axes height, width, channels; L has no channels. Raises ConfigError where an option is none.
    """

    max_pixels: int = MAX_PIXELS
    formats: tuple[str, ...] = FORMATS
    mode: str = "RGB"
    size: tuple[int, int] | None = None
    background: tuple[int, int, int] = field(default=(255, 255, 255))

    def __post_init__(self) -> None:
        formats = (self.formats,) if isinstance(self.formats, str) else tuple(self.formats)
        formats = tuple("JPEG" if name.upper() == "JPG" else name.upper() for name in formats)
        object.__setattr__(self, "formats", formats)
        if not formats or not set(formats) <= set(KNOWN_FORMATS):
            declared_wrong(f"Image reads the formats {', '.join(KNOWN_FORMATS)}, not {self.formats!r}")
        if self.mode not in MODES:
            declared_wrong(f"Image wants the mode {', '.join(MODES)}, not {self.mode!r}")
        if not _is_size(self.max_pixels):
            declared_wrong(f"Image wants max_pixels of at least 1, not {self.max_pixels!r}")
        if self.size is not None and not (len(self.size) == 2 and all(map(_is_size, self.size))):
            declared_wrong(f"Image wants size as (width, height), not {self.size!r}")

    @property
    def media_types(self) -> tuple[str, ...]:
        """Of the files that are read."""
        return tuple(MEDIA_TYPES[name] for name in self.formats)

    @property
    def max_bytes(self) -> int:
        """Of one image, decoded."""
        width, height = self.size or (self.max_pixels, 1)
        return max(width * height, 1) * MODES[self.mode]

    def __get_pydantic_core_schema__(self, source: Any, handler: Any) -> Any:
        """Read by `open_image`, and decoded at once."""
        from pydantic_core import core_schema

        as_array = getattr(source, "__module__", "").partition(".")[0] != "PIL"
        return core_schema.no_info_plain_validator_function(lambda value: open_image(value, self, as_array).decode())

    def __get_pydantic_json_schema__(self, schema: Any, handler: Any) -> dict[str, Any]:
        """The same as `json_schema`."""
        return self.json_schema()

    def json_schema(self) -> dict[str, Any]:
        """In JSON, text; in a form, a file."""
        about = f"An image ({', '.join(self.formats)}) of at most {self.max_pixels:,} pixels, in base64"
        return {"type": "string", "format": "byte", "contentEncoding": "base64", "description": about}


@dataclass(frozen=True)
class LazyImage:
    """The same, decoded when the model is called."""

    image: Image
    as_array: bool

    def __get_pydantic_core_schema__(self, source: Any, handler: Any) -> Any:
        """Read by `open_image`."""
        from pydantic_core import core_schema

        return core_schema.no_info_plain_validator_function(lambda v: open_image(v, self.image, self.as_array))

    def __get_pydantic_json_schema__(self, schema: Any, handler: Any) -> dict[str, Any]:
        """The same as that of the image."""
        return self.image.json_schema()


def _is_size(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 1


@dataclass(frozen=True, slots=True)
class PendingImage:
    """A file whose head was found good."""

    content: bytes
    declared: Image
    as_array: bool

    def decode(self) -> Any:
        """The image as the function wants it. Refuses what turns out to be damaged."""
        from PIL import Image as pillow

        try:
            with pillow.open(BytesIO(self.content), formats=self.declared.formats) as opened:
                image = _upright(opened, self.declared)
        except MemoryError:
            raise
        except (
            Exception
        ) as error:  # Pillow raises OSError, SyntaxError, ValueError, struct.error and more for damaged files
            refuse("image_damaged", f"the image is damaged: {_first_line(error)}", "send a whole, valid file")
        return _as_array(image) if self.as_array else image


def _upright(opened: Any, declared: Image) -> Any:
    from PIL import ImageOps

    opened.load()
    image = ImageOps.exif_transpose(opened)
    image = _flatten(image, declared)
    if declared.size is not None and image.size != declared.size:
        image = image.resize(declared.size, _bilinear())
    return image


def _bilinear() -> Any:
    from PIL import Image as pillow

    return pillow.Resampling.BILINEAR


def _flatten(image: Any, declared: Image) -> Any:
    """Into the declared mode; what is transparent goes onto the background, where the mode has no alpha."""
    from PIL import Image as pillow

    if image.mode.startswith("I;16") or image.mode == "I":  # 16-bit grey: Pillow would cut it at 255
        image = image.convert("I").point(lambda v: v / 256).convert("L")
    transparent = "A" in image.mode or "a" in image.mode or "transparency" in image.info
    if transparent and declared.mode != "RGBA":
        image = image.convert("RGBA")
        ground = pillow.new("RGBA", image.size, (*declared.background, 255))
        image = pillow.alpha_composite(ground, image)
    return image if image.mode == declared.mode else image.convert(declared.mode)


def _as_array(image: Any) -> Any:
    import numpy as np

    return np.array(image, dtype=np.uint8)


def _first_line(error: Exception) -> str:
    return (str(error) or type(error).__name__).partition("\n")[0][:200]


# -- the head ------------------------------------------------------------------------------------------------------


def open_image(value: Any, declared: Image, as_array: bool) -> PendingImage:
    """Read the head of a file, or of base64. Refuses formats that are not read, and sizes beyond the limit."""
    content = value if isinstance(value, bytes) else _from_base64(value)
    width, height = _read_head(content, declared)
    if width * height > declared.max_pixels or max(width, height) > MAX_SIDE:
        refuse(
            "image_too_large",
            f"the image has {width} x {height} = {width * height:,} pixels, at most {declared.max_pixels:,} are read",
            "scale it down before you send it",
        )
    return PendingImage(content, declared, as_array)


def _read_head(content: bytes, declared: Image) -> tuple[int, int]:
    from PIL import Image as pillow
    from PIL import UnidentifiedImageError

    try:
        with pillow.open(BytesIO(content), formats=declared.formats) as image:
            return image.size
    except UnidentifiedImageError:
        _refuse_format(content, declared)
    except (pillow.DecompressionBombError, pillow.DecompressionBombWarning) as error:  # Pillow's own limits of pixels
        refuse(
            "image_too_large",
            f"the image has too many pixels: {_first_line(error)}",
            "scale it down before you send it",
        )
    except Exception as error:
        refuse("image_damaged", f"the image is damaged: {_first_line(error)}", "send a whole, valid file")


def _refuse_format(content: bytes, declared: Image) -> NoReturn:
    wanted = ", ".join(declared.formats)
    for name, mark in _MARKS.items():
        if content.startswith(mark) and name in declared.formats:
            refuse("image_damaged", f"the image begins as {name} and is damaged", "send a whole, valid file")
    found = next((name for name, mark in _MARKS.items() if content.startswith(mark)), None)
    what = "nothing" if not content else f"a {found} file" if found else "no image"
    refuse("image_format", f"this is {what}; {wanted} are read", f"send the bytes of a file of {wanted}")


_MARKS = {
    "JPEG": b"\xff\xd8\xff",
    "PNG": b"\x89PNG\r\n\x1a\n",
    "GIF": b"GIF8",
    "BMP": b"BM",
    "TIFF": b"II*\0",
    "PDF": b"%PDF",
    "WEBP": b"RIFF",
}


def _from_base64(value: Any) -> bytes:
    if not isinstance(value, str):
        refuse(
            "image_format",
            "an image in JSON is text in base64",
            "encode the bytes of the file with base64, or send them as they are",
        )
    try:
        return base64.b64decode(value, validate=True)
    except (binascii.Error, ValueError):
        refuse(
            "image_format",
            "the text is not valid base64",
            "encode the bytes of the file with base64, without line breaks",
        )
