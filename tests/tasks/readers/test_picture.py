"""One picture: cut short, huge, animated, odd codings; and its pixels, computed by hand."""

import io

import numpy as np
import pytest
from PIL import Image

from regard.spec.errors import DataError
from regard.tasks.readers.picture import Look, look, pixels


def encoded(image, form="PNG", **more):
    out = io.BytesIO()
    image.save(out, form, **more)
    return out.getvalue()


def test_plain_pictures(png):
    assert look(png("RGB", (5, 3))) == Look(5, 3, "")
    assert look(png("L", (5, 3))) == Look(5, 3, "")
    assert look(encoded(Image.new("RGB", (8, 8)), "JPEG")) == Look(8, 8, "")


@pytest.mark.parametrize("form", ["PNG", "JPEG"])
def test_pictures_that_are_cut_short(form):
    noise = np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8)
    whole = encoded(Image.fromarray(noise), form)
    for kept in (len(whole) // 2, len(whole) * 9 // 10):
        assert look(whole[:kept]).startswith("is cut short or broken (")
    assert isinstance(look(whole), Look)


def test_a_picture_with_a_changed_byte_is_found_by_its_checksum(png):
    content = bytearray(png("L", (40, 40), 7))
    content[content.index(b"IEND") - 8] ^= 255  # the checksum itself: the pixels could still be decoded
    assert look(bytes(content)).startswith("is cut short or broken (")


def test_what_is_no_picture():
    assert look(b"") == "holds no bytes"
    assert look(b"just words") == "is no picture in a known format (such as PNG or JPEG)"
    with pytest.raises(DataError, match="the picture is no picture"):
        pixels(b"just words")


def test_pictures_with_too_many_pixels_are_not_decoded(huge_png):
    assert look(huge_png(10_000, 10_000)) == "has 10,000 x 10,000 pixels, at most 50,000,000 are read"
    assert "attempt to fill the memory" in look(huge_png(60_000, 60_000))


def test_animated_pictures_are_refused():
    frames = [Image.new("L", (4, 4), shade) for shade in (0, 100, 200)]
    content = encoded(frames[0], "GIF", save_all=True, append_images=frames[1:])
    assert look(content) == "is animated (3 frames), expected one picture"


@pytest.mark.parametrize(
    ("mode", "form", "said"),
    [
        ("P", "PNG", "palette"),
        ("1", "PNG", "black and white"),
        ("LA", "PNG", "grey with transparency"),
        ("RGBA", "PNG", "colour with transparency"),
        ("I;16", "PNG", "16 bits a channel"),
        ("CMYK", "JPEG", "CMYK"),
    ],
)
def test_odd_codings_are_said(mode, form, said):
    assert look(encoded(Image.new(mode, (4, 4)), form)) == Look(4, 4, said)


def test_a_mode_that_is_not_read_is_refused():
    assert look(encoded(Image.new("F", (4, 4)), "TIFF")).startswith("is coded in mode F, which is not read")


def test_pixels_are_what_was_drawn(png):
    found = pixels(png("RGB", (2, 1), (10, 20, 30)))
    assert found.dtype == np.uint8
    assert found.tolist() == [[[10, 20, 30], [10, 20, 30]]]
    assert pixels(png("L", (2, 1), 9), mode="L").tolist() == [[[9], [9]]]


def test_transparent_parts_lie_over_white(png):
    assert pixels(png("RGBA", (1, 1), (200, 0, 0, 0))).tolist() == [[[255, 255, 255]]]
    assert pixels(png("RGBA", (1, 1), (200, 0, 0, 255))).tolist() == [[[200, 0, 0]]]
    assert pixels(png("LA", (1, 1), (0, 51)), mode="L").tolist() == [[[204]]]  # 255 - 51
    palette = Image.new("P", (1, 1), 0)
    palette.putpalette([9, 9, 9])
    assert pixels(encoded(palette, transparency=0)).tolist() == [[[255, 255, 255]]]


def test_sixteen_bits_keep_their_upper_eight():
    wide = Image.fromarray(np.array([[0, 255, 256, 65535]], dtype=np.uint16))
    assert pixels(encoded(wide), mode="L")[0, :, 0].tolist() == [0, 0, 1, 255]


def test_sizes_are_height_and_width(png):
    assert pixels(png("RGB", (8, 4), (1, 2, 3)), size=(2, 6)).shape == (2, 6, 3)
    halves = encoded(Image.fromarray(np.array([[0, 100, 200, 200]], dtype=np.uint8)))
    assert pixels(halves, mode="L", size=(1, 2))[0, :, 0].tolist()[1] >= 180
