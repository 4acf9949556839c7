"""What files are called in an archive: their paths, each only once wherever it is unpacked."""

from collections.abc import Sequence

from domain.file import File
from domain.file_name import folded


def names_in_archive(files: Sequence[File]) -> Sequence[str]:
    """One that is called like another, or like a folder, be it in letters of another case, gets a number."""
    told = [file.path or file.name for file in files]
    taken = {folded(folder) for name in told for folder in _folders(name)}
    numbers: dict[str, int] = {}
    return [_free(name, taken, numbers) for name in told]


def _folders(name: str) -> Sequence[str]:
    parts = name.split("/")[:-1]
    return ["/".join(parts[: count + 1]) for count in range(len(parts))]


def _free(name: str, taken: set[str], numbers: dict[str, int]) -> str:
    """``numbers``: the last one that a name has got, for a thousand may have one name."""
    wanted, free = folded(name), name
    folder, slash, last = name.rpartition("/")
    stem, dot, extension = last.rpartition(".")
    if not stem:
        stem, dot, extension = last, "", ""
    while folded(free) in taken:
        numbers[wanted] = numbers.get(wanted, 1) + 1
        free = f"{folder}{slash}{stem} ({numbers[wanted]}){dot}{extension}"
    taken.add(folded(free))
    return free
