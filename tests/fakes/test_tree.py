"""The tree of the files server: paths, ranges and generated files."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fake_servers.files.tree import CHUNK, LINE, FileError, Generated, Tree, clean_path, mime_type, parse_uri, uri_of

MOST = 10**9


def lines(tree: Tree, text: str) -> bytes:
    return tree.piece("a.txt", of_lines=text, most=MOST).data


@given(st.binary(max_size=40), st.integers(0, 50), st.integers(0, 50))
def test_a_range_of_bytes_is_that_slice(data: bytes, start: int, length: int) -> None:
    tree = Tree.of({"a.txt": data})
    end = start + length
    if start >= max(len(data), 1):
        with pytest.raises(FileError, match="are not there"):
            tree.piece("a.txt", of_bytes=f"{start}-{end}", most=MOST)
    else:
        piece = tree.piece("a.txt", of_bytes=f"{start}-{end}", most=MOST)
        assert piece.data == data[start : end + 1]
        assert (piece.start, piece.size) == (start, len(data))


@given(st.lists(st.text("ab", max_size=3), min_size=1, max_size=6), st.integers(1, 6), st.integers(0, 6), st.booleans())
def test_a_range_of_lines_is_those_lines(words: list[str], first: int, more: int, ended: bool) -> None:
    text = "\n".join(words) + ("\n" if ended else "")
    expected = b"".join(text.encode().splitlines(keepends=True)[first - 1 : first + more])
    tree = Tree.of({"a.txt": text})
    try:
        assert lines(tree, f"{first}-{first + more}") == expected
    except FileError:
        assert expected == b""


def test_lines_are_found_behind_the_first_chunk() -> None:
    big = Generated(3 * CHUNK)
    tree = Tree.of({"a.txt": big})
    number = 2 * CHUNK // LINE + 7
    assert lines(tree, f"{number}-{number}") == big.read((number - 1) * LINE, number * LINE)
    assert lines(tree, f"{number}-") == big.read((number - 1) * LINE, 3 * CHUNK)


@given(st.integers(0, 500), st.integers(0, 500), st.booleans())
def test_a_generated_file_is_the_same_however_it_is_read(start: int, length: int, binary: bool) -> None:
    big = Generated(1000, seed=3, binary=binary)
    whole = big.read(0, 1000)
    assert len(whole) == 1000
    assert Generated(1000, seed=3, binary=binary).read(start, start + length) == whole[start : start + length]


def test_a_generated_text_has_numbered_lines() -> None:
    first, second = Generated(10 * LINE).read(0, 2 * LINE).decode().splitlines()
    assert (first[:11], second[:11]) == ("0000000001 ", "0000000002 ")


def test_other_seeds_give_other_bytes() -> None:
    assert Generated(100, seed=1).read(0, 100) != Generated(100, seed=2).read(0, 100)


def test_a_size_below_zero_is_refused() -> None:
    with pytest.raises(ValueError, match="a file of -1 bytes cannot be"):
        Generated(-1)


@pytest.mark.parametrize(
    ("of_bytes", "of_lines", "why"),
    [
        ("a-b", None, "'a-b' is no range of bytes; they look like '0-99' and '100-'"),
        ("5-2", None, "the bytes 5-2 are not there: the file has 6, counted from 0"),
        ("6-", None, "the bytes 6- are not there"),
        (None, "0-1", "the lines 0-1 are not there"),
        (None, "9-", "the lines 9- are not there: the file ends before them"),
        ("0-1", "1-1", "not both"),
    ],
)
def test_a_range_that_is_not_there_says_so(of_bytes: str | None, of_lines: str | None, why: str) -> None:
    with pytest.raises(FileError, match=why) as refused:
        Tree.of({"a.txt": "ab\ncd\n"}).piece("a.txt", of_bytes=of_bytes, of_lines=of_lines, most=MOST)
    assert refused.value.reason == "range"


def test_too_much_at_once_is_refused_before_it_is_read() -> None:
    with pytest.raises(FileError, match=r"1000000000000 bytes of 'a\.txt' are too many at once \(the most is 10\)"):
        Tree.of({"a.txt": Generated(10**12)}).piece("a.txt", most=10)


@pytest.mark.parametrize("path", ["../a", "a/../../b", "a\\b", "a\0b", "", "/", "."])
def test_a_path_out_of_the_tree_is_refused(path: str) -> None:
    with pytest.raises(FileError) as refused:
        clean_path(path)
    assert refused.value.reason == "path"


def test_a_missing_file_names_the_nearest() -> None:
    with pytest.raises(FileError, match=r"there is no file 'notes/tood\.md'; did you mean 'notes/todo\.md'\?"):
        Tree.of({"notes/todo.md": ""}).get("notes/tood.md")


def test_a_file_is_no_folder_and_a_folder_no_file() -> None:
    tree = Tree.of({"a/b.txt": "x"})
    with pytest.raises(FileError, match=r"'a/b\.txt' is a file, so nothing can be below it"):
        tree.write("a/b.txt/c", "y")
    with pytest.raises(FileError, match="'a' is a folder"):
        tree.write("a", "y")


def test_a_folder_lists_what_is_below_it_in_order() -> None:
    tree = Tree.of({"b/x": "", "a/z": "", "a/b/y": "", "ab": ""})
    assert (tree.below("a"), tree.below()) == (["a/b/y", "a/z"], ["a/b/y", "a/z", "ab", "b/x"])


@given(st.text(st.characters(exclude_characters="\\\0", exclude_categories=["Cs"]), min_size=1))
def test_a_uri_leads_back_to_its_path(path: str) -> None:
    try:
        clean = clean_path(path)
    except FileError:
        return
    assert parse_uri(uri_of(clean)) == (clean, {})


@pytest.mark.parametrize(
    "uri", ["https://x/a", "file://host/a", "file:///a#b", "file:///a?x=1", "file:///a?bytes=0-1&bytes=2-3", "file:///%2e%2e/a"]
)
def test_a_uri_of_something_else_is_refused(uri: str) -> None:
    with pytest.raises(FileError):
        parse_uri(uri)


def test_a_uri_may_name_a_range() -> None:
    assert parse_uri("file:///a/b%20c.txt?lines=1-20") == ("a/b c.txt", {"lines": "1-20"})


@pytest.mark.parametrize(
    ("path", "mime"), [("a.md", "text/markdown"), ("x/b.PNG", "image/png"), ("noext", "application/octet-stream")]
)
def test_the_media_type_follows_from_the_name(path: str, mime: str) -> None:
    assert mime_type(path) == mime
