"""What is taken as a product's parameters, and in which words the rest is refused."""

import pytest

from domain.errors import InvalidRequest
from domain.picture import PictureFormat
from domain.product import PRODUCTS, Edited, Product, ProductKey, Recipe, product_by

BY_KEY = {product.key: product for product in PRODUCTS}
COMPRESS, CONVERT, RESIZE = BY_KEY[ProductKey.COMPRESS], BY_KEY[ProductKey.CONVERT], BY_KEY[ProductKey.RESIZE]
THUMBNAILS, STRIP = BY_KEY[ProductKey.THUMBNAILS], BY_KEY[ProductKey.STRIP_METADATA]


def test_each_has_an_id_of_its_own_and_is_found_by_it_or_by_its_key() -> None:
    assert set(BY_KEY) == set(ProductKey)
    for product in PRODUCTS:
        assert product_by(product.id.upper()) == product_by(f" {product.key} ") == product
        assert len(product.id) == 32 and int(product.id, 16)
    assert len({product.id for product in PRODUCTS}) == len(PRODUCTS)
    assert product_by("images/paint") is product_by("") is None


@pytest.mark.parametrize("product", PRODUCTS, ids=lambda product: product.key)
def test_each_can_be_had_without_any_parameters(product: Product) -> None:
    recipe = Recipe.of(product)
    assert recipe.key is product.key
    assert Recipe.of(product, {}) == Recipe.of(product, dict(recipe.parameters)) == recipe


def test_what_was_left_out_is_the_default() -> None:
    assert Recipe.of(COMPRESS).number("quality") == 75
    assert Recipe.of(CONVERT, {"quality": 60}).parameters == {"format": "jpeg", "quality": 60}
    assert Recipe.of(THUMBNAILS, {"box": None}).number("box") == 300
    assert Recipe.of(RESIZE).parameters == {"width": 1920, "height": 1920, "fit": "inside", "enlarge": False}
    narrow = Recipe.of(RESIZE, {"width": 640})
    assert (narrow.number("width"), narrow.number("height")) == (640, 0)


def test_formats_are_taken_in_any_spelling() -> None:
    assert Recipe.of(CONVERT, {"format": "JPG"}).format is PictureFormat.JPEG
    assert Recipe.of(CONVERT, {"format": "WebP"}).format is PictureFormat.WEBP
    assert Recipe.of(COMPRESS).format is None
    assert Recipe.of(THUMBNAILS).format is PictureFormat.JPEG


@pytest.mark.parametrize(
    ("product", "parameters", "words"),
    [
        (COMPRESS, {"quality": 0}, "quality is not between 1 and 100"),
        (COMPRESS, {"quality": 101}, "quality is not between 1 and 100"),
        (COMPRESS, {"quality": "75"}, "quality is no whole number"),
        (COMPRESS, {"quality": 75.0}, "quality is no whole number"),
        (COMPRESS, {"quality": True}, "quality is no whole number"),
        (COMPRESS, {"quality": [75]}, "quality is no whole number"),
        (COMPRESS, {"qualty": 75}, "images/compress takes quality; not 'qualty'"),
        (COMPRESS, [75], "parameters are no object of names and values"),
        (COMPRESS, "75", "parameters are no object of names and values"),
        (CONVERT, {"format": "bmp"}, "format is none of jpeg, png, webp, avif"),
        (CONVERT, {"format": 3}, "format is no text"),
        (RESIZE, {"width": 16384}, "width is not between 1 and 16383"),
        (RESIZE, {"height": -1}, "height is not between 1 and 16383"),
        (RESIZE, {"enlarge": 1}, "enlarge is no true or false"),
        (RESIZE, {"fit": "fill"}, "fit is none of inside, cover"),
        (RESIZE, {"fit": "cover", "width": 10}, "to cover a size, width and height are both needed"),
        (THUMBNAILS, {"box": 200}, "box is none of 100, 300, 1200"),
        (STRIP, {"gps": True}, "images/strip-metadata takes no parameters; not 'gps'"),
    ],
)
def test_what_makes_no_sense_is_refused_in_words(product: Product, parameters: object, words: str) -> None:
    with pytest.raises(InvalidRequest) as refused:
        Recipe.of(product, parameters)
    assert refused.value.detail == words


@pytest.mark.parametrize(
    ("original", "name"),
    [
        ("IMG_1.JPG", "IMG_1.JPG"),
        ("IMG_1.jpeg", "IMG_1.jpeg"),
        ("IMG_1.heic", "IMG_1.jpg"),
        ("archive.tar", "archive.jpg"),
        ("plain", "plain.jpg"),
        (".jpg", ".jpg.jpg"),
    ],
)
def test_what_comes_of_a_picture_is_named_after_it(original: str, name: str) -> None:
    assert Edited(PictureFormat.JPEG, 1, 1).name_of(original) == name
