"""What can be done to a picture, by which rules, and one order of it: a product, its parameters, a recipe.

The table is ``PRODUCTS``; what each does to which kind of picture: docs/products.md. It is carried out behind
ports/image_processor.py.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from types import MappingProxyType

from domain.errors import InvalidRequest
from domain.file_name import file_name
from domain.picture import PictureFormat
from domain.rendition import Box

Value = int | str | bool
"""Of a parameter, as JSON has it."""

MAX_PRODUCT_BYTES = 50 * 1024**2
_MOST_SIDE = 16383  # what every format that we write can hold
_INSIDE, _COVER = "inside", "cover"


class ProductKey(StrEnum):
    COMPRESS = "images/compress"
    CONVERT = "images/convert"
    RESIZE = "images/resize"
    THUMBNAILS = "images/thumbnails"
    STRIP_METADATA = "images/strip-metadata"


class ParameterType(StrEnum):
    """As JSON Schema calls them."""

    INTEGER = "integer"
    STRING = "string"
    BOOLEAN = "boolean"


@dataclass(frozen=True, slots=True)
class Parameter:
    """``default`` None: there is none, and it may be left out. ``choices`` empty: any value within the bounds, which
    are a number's, both inclusive."""

    name: str
    type: ParameterType
    default: Value | None = None
    minimum: int | None = None
    maximum: int | None = None
    choices: tuple[Value, ...] = ()

    def check(self, value: object) -> Value:
        """Raises:
        InvalidRequest: it is of another type, out of bounds or none of the choices.
        """
        if not isinstance(value, bool | int | str) or type(value) is not _TYPES[self.type]:
            raise InvalidRequest(f"{self.name} is no {_WORDS[self.type]}")
        if isinstance(value, str):
            value = _SPELLINGS.get(value.lower(), value.lower())
        if self.choices and value not in self.choices:
            raise InvalidRequest(f"{self.name} is none of {', '.join(map(str, self.choices))}")
        if isinstance(value, int) and not (self.minimum or value) <= value <= (self.maximum or value):
            raise InvalidRequest(f"{self.name} is not between {self.minimum} and {self.maximum}")
        return value


@dataclass(frozen=True, slots=True)
class Product:
    """``max_bytes`` of a picture's file, and ``formats`` that are taken; the bytes say which one it is."""

    id: str
    key: ProductKey
    name: str
    parameters: tuple[Parameter, ...] = ()
    is_active: bool = True
    max_bytes: int = MAX_PRODUCT_BYTES
    formats: tuple[PictureFormat, ...] = tuple(PictureFormat)


@dataclass(frozen=True, slots=True)
class Recipe:
    """What is to be done to a picture. ``parameters`` are checked, with the defaults of those that were left out."""

    key: ProductKey
    parameters: Mapping[str, Value] = field(default_factory=lambda: MappingProxyType({}))

    @staticmethod
    def of(product: Product, parameters: object = None) -> "Recipe":
        """``parameters``: as a client gave them, a mapping or None.

        Raises:
            InvalidRequest: in words for a person.
        """
        given = {} if parameters is None else parameters
        if not isinstance(given, Mapping):
            raise InvalidRequest("parameters are no object of names and values")
        known = {parameter.name: parameter for parameter in product.parameters}
        for name in given:
            if name not in known:
                raise InvalidRequest(_unknown(product, str(name), known))
        checked = {name: known[name].check(value) for name, value in given.items() if value is not None}
        if product.key is ProductKey.RESIZE:
            _check_sides(checked)
        defaults = {name: each.default for name, each in known.items() if each.default is not None}
        return Recipe(product.key, MappingProxyType(defaults | checked))

    def number(self, name: str, otherwise: int = 0) -> int:
        """A parameter that is an integer; ``otherwise``: if it was left out and has no default."""
        return int(self.parameters.get(name, otherwise))

    @property
    def format(self) -> PictureFormat | None:
        """What it makes of every picture; None: what the picture is."""
        if self.key is ProductKey.THUMBNAILS:
            return PictureFormat.JPEG
        found = self.parameters.get("format")
        return None if found is None else PictureFormat(str(found))

    @property
    def covers(self) -> bool:
        """Whether the picture fills all of the size asked for, and is cut for it."""
        return self.parameters.get("fit") == _COVER

    @property
    def may_enlarge(self) -> bool:
        return bool(self.parameters.get("enlarge"))


@dataclass(frozen=True, slots=True)
class Edited:
    """What has come of a picture. ``width`` and ``height`` in pixels, upright."""

    format: PictureFormat
    width: int
    height: int

    @property
    def media_type(self) -> str:
        return self.format.media_type

    @property
    def extension(self) -> str:
        return self.format.extension

    def name_of(self, original: str) -> str:
        """What a file of it is called: the original's name, with another ending if it is of another format."""
        stem, _, ending = original.rpartition(".")
        if stem and ending.lower().replace("jpeg", "jpg") == self.extension:
            return original
        return file_name(f"{stem or original}.{self.extension}")


def product_by(text: str, products: Sequence[Product] | None = None) -> Product | None:
    """The active one of an id or a key, as a client writes it."""
    wanted = text.strip().lower()
    for product in PRODUCTS if products is None else products:
        if product.is_active and wanted in (product.id, product.key):
            return product
    return None


def _unknown(product: Product, name: str, known: Mapping[str, Parameter]) -> str:
    taken = f"takes {', '.join(known)}" if known else "takes no parameters"
    return f"{product.key} {taken}; not {name[:40]!r}"


def _check_sides(given: dict[str, Value]) -> None:
    if given.get("fit") == _COVER and not {"width", "height"} <= given.keys():
        raise InvalidRequest("to cover a size, width and height are both needed")
    if not {"width", "height"} & given.keys():
        given["width"] = given["height"] = _USUAL_SIDE


_TYPES: Mapping[ParameterType, type] = {
    ParameterType.INTEGER: int,
    ParameterType.STRING: str,
    ParameterType.BOOLEAN: bool,
}
_WORDS = {
    ParameterType.INTEGER: "whole number",
    ParameterType.STRING: "text",
    ParameterType.BOOLEAN: "true or false",
}
_USUAL_SIDE = 1920
_SPELLINGS = {"jpg": "jpeg"}


def _integer(name: str, default: int | None = None, *, most: int) -> Parameter:
    return Parameter(name, ParameterType.INTEGER, default, minimum=1, maximum=most)


def _choice(name: str, *choices: str) -> Parameter:
    """The first one is the default."""
    return Parameter(name, ParameterType.STRING, choices[0], choices=choices)


# Their ids are fixed: instructions that are kept name them.
PRODUCTS: tuple[Product, ...] = (
    Product("7a1c0f5e93b84d26a0d14be25f6c8301", ProductKey.COMPRESS, "Compress", (_integer("quality", 75, most=100),)),
    Product(
        "c25e8b71d04f4a39b6f3907ad81e4c02",
        ProductKey.CONVERT,
        "Convert",
        (_choice("format", "jpeg", "png", "webp", "avif"), _integer("quality", 90, most=100)),
    ),
    Product(
        "19d3f7a84c6b4e50925ee8b13f70ad03",
        ProductKey.RESIZE,
        "Resize",
        (
            _integer("width", most=_MOST_SIDE),
            _integer("height", most=_MOST_SIDE),
            _choice("fit", _INSIDE, _COVER),
            Parameter("enlarge", ParameterType.BOOLEAN, default=False),
        ),
    ),
    Product(
        "e804b6d92f1a47c3a7d85c604b9e3f04",
        ProductKey.THUMBNAILS,
        "Thumbnails",
        (Parameter("box", ParameterType.INTEGER, int(Box.MEDIUM), choices=tuple(int(box) for box in Box)),),
    ),
    Product("5b92ce017d8f4f64b1e03ad7f8265c05", ProductKey.STRIP_METADATA, "Strip metadata"),
)
