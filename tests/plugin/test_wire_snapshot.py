"""`wire_snapshot` with each of syrupy's options, and the names of its files."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.plugin.harness import Example, Run

MakeExample = Callable[..., Example]
Here = Callable[..., Run]

TEST = """
import pytest
from servers import echo

def talk(switchboard, message="hello"):
    with switchboard(echo=echo()) as board:
        board.call("echo__say", message=message)
    return board
"""

ONE = (
    TEST
    + """
def test_it(switchboard, wire_snapshot):
    assert talk(switchboard) == wire_snapshot
"""
)

TWO = (
    ONE
    + """
@pytest.mark.slow
def test_other(switchboard, wire_snapshot):
    assert talk(switchboard, "other") == wire_snapshot
"""
)

MARKERS = {"conftest.py": "def pytest_configure(config): config.addinivalue_line('markers', 'slow: slow')\n"}
FOLDER = "__snapshots__/test_it/"


def snapshots(run: Run) -> set[str]:
    return {path.removeprefix(FOLDER) for path in run.example.files if path.startswith("__snapshots__")}


@pytest.fixture
def here(pytester: pytest.Pytester) -> Callable[..., Run]:
    """Run an example with syrupy; where xdist is asked for, in a process of its own."""

    def run(example: Example, *args: str) -> Run:
        bare = ("-p", "no:cacheprovider", "-p", "no:asyncio", "-p", "no:trio", *args)
        if {"-n1", "-n2"}.intersection(args):
            return example.run(*bare, plugins="syrupy xdist anyio")
        return example.run_here(pytester, *bare, plugins="syrupy")

    return run


def test_a_missing_snapshot_fails_and_says_which(example: MakeExample, here: Here) -> None:
    run = here(example(ONE))
    assert run.outcomes["failed"] == 1
    assert snapshots(run) == set()
    run.says("Snapshot 'test_it' does not exist!", "+ # mcpsym transcript 1")


def test_update_writes_and_the_next_run_passes(example: MakeExample, here: Here) -> None:
    written = here(example(ONE), "--snapshot-update")
    assert set(written.changed) == {FOLDER + "test_it.wire"}
    assert (written.changed[FOLDER + "test_it.wire"] or "").startswith("# mcpsym transcript 1\nlink echo  memory  handshake")
    again = here(written.example)
    assert (again.outcomes, again.changed) == ({"passed": 1}, {})
    again.says("1 snapshot passed.")


def test_what_changed_is_shown_and_updated(example: MakeExample, here: Here) -> None:
    written = here(example(ONE), "--snapshot-update").example
    changed = written.with_files({"test_it.py": ONE.replace("hello", "goodbye")})
    failed = here(changed, "-vv")
    assert (failed.outcomes["failed"], snapshots(failed)) == (1, {"test_it.wire"})
    failed.says('"message": "hello"', '"message": "goodbye"')
    updated = here(changed, "--snapshot-update")
    assert set(updated.changed) == {FOLDER + "test_it.wire"}
    updated.says("1 snapshot updated.")


@pytest.mark.parametrize("workers", [("-n0",), ("-n2",)])
def test_an_unused_snapshot_fails_the_run_and_update_deletes_it(
    example: MakeExample, here: Here, workers: tuple[str, ...]
) -> None:
    stale = example({"test_it.py": ONE, FOLDER + "test_gone.wire": "x", FOLDER + "test_it@gone.wire": "x"})
    written = here(stale, "--snapshot-update", *workers)
    assert snapshots(written) == {"test_it.wire"}
    written.says("2 unused snapshots deleted.")


@pytest.mark.parametrize(
    ("select", "expected"),
    [
        (("-k", "test_it and not other"), {"passed": 1, "deselected": 1}),
        (("-m", "not slow"), {"passed": 1, "deselected": 1}),
        (("--deselect", "test_it.py::test_other"), {"passed": 1, "deselected": 1}),
        (("test_it.py::test_it",), {"passed": 1}),
        (("-m", "not slow", "-n1"), {"passed": 1}),
    ],
)
def test_snapshots_of_tests_that_were_not_selected_stay(
    example: MakeExample, here: Here, select: tuple[str, ...], expected: dict[str, int]
) -> None:
    files = {
        "test_it.py": TWO,
        **MARKERS,
        FOLDER + "test_it.wire": "x",
        FOLDER + "test_other.wire": "x",
        FOLDER + "test_other@b.wire": "x",
    }
    run = here(example(files), "--snapshot-update", *select)
    assert run.outcomes == expected
    assert snapshots(run) == {"test_it.wire", "test_other.wire", "test_other@b.wire"}


SKIPPED = (
    TEST
    + """
class TestOdd:
    @pytest.mark.parametrize("x", ["a/b", "a:b"])
    @pytest.mark.anyio
    async def test_it(self, switchboard, wire_snapshot, x):
        {skip}async with switchboard(echo=echo()) as board:
            pass
        assert board == wire_snapshot

    def test_a_sentence_that_goes_on_and_on_as_sentences_of_tests_do_until_it_has_more_than_one_hundred_and_twenty_letters(
        self, switchboard, wire_snapshot
    ):
        {skip}assert talk(switchboard) == wire_snapshot

    def test_größe(self, switchboard, wire_snapshot):
        {skip}assert talk(switchboard) == wire_snapshot(name="Größe")

def test_IT(switchboard, wire_snapshot):
    {skip}assert talk(switchboard) == wire_snapshot

def test_it(switchboard, wire_snapshot):
    {skip}assert talk(switchboard) == wire_snapshot
    assert talk(switchboard, "second") == wire_snapshot(name="a/b")
    assert talk(switchboard, "third") == wire_snapshot
"""
)


@pytest.mark.parametrize("workers", [(), ("-n1",)])
def test_snapshots_of_skipped_tests_stay_whatever_their_names(
    example: MakeExample, here: Here, workers: tuple[str, ...]
) -> None:
    written = here(example(SKIPPED.replace("{skip}", "")), "--snapshot-update")
    assert written.outcomes["passed"] == 8
    assert len(snapshots(written)) == 8
    skipping = written.example.with_files(
        {"test_it.py": SKIPPED.replace("{skip}", "pytest.skip(); ").replace("; async", "\n        async")}
    )
    run = here(skipping, "--snapshot-update", *workers)
    assert run.outcomes["skipped"] == 8
    assert run.changed == {}


def test_names_are_safe_on_every_file_system_and_never_shared(example: MakeExample, here: Here) -> None:
    written = here(example(SKIPPED.replace("{skip}", "")), "--snapshot-update")
    names = snapshots(written)
    assert len({name.casefold() for name in names}) == 8
    assert {name for name in names if "-" not in name} == {"test_it.1.wire"} or all(len(name.encode()) < 255 for name in names)
    again = here(written.example)
    assert (again.outcomes, again.changed) == ({"passed": 8}, {})


def test_both_loops_share_one_file(example: MakeExample, here: Here) -> None:
    text = (
        TEST
        + """
@pytest.mark.anyio
@pytest.mark.parametrize("x", ["trio", "b"])
async def test_it(switchboard, wire_snapshot, x, anyio_backend):
    async with switchboard(echo=echo()) as board:
        await board.call("echo__say", message=x)
    assert board == wire_snapshot

@pytest.mark.anyio
@pytest.mark.parametrize("anyio_backend", [pytest.param(("asyncio", {"debug": True}), id="asyncio+debug"), "trio"])
async def test_alone(switchboard, wire_snapshot, anyio_backend):
    async with switchboard(echo=echo()) as board:
        pass
    assert board == wire_snapshot
"""
    )
    written = here(example(text), "--snapshot-update")
    assert written.outcomes == {"passed": 6}
    assert snapshots(written) == {"test_it[trio].wire", "test_it[b].wire", "test_alone.wire"}
    assert here(written.example, "-k", "trio").outcomes["passed"] == 4


def test_two_boards_of_a_test_have_a_file_each(example: MakeExample, here: Here) -> None:
    text = (
        TEST
        + """
def test_it(switchboard, wire_snapshot):
    assert talk(switchboard, "1") == wire_snapshot
    assert talk(switchboard, "2") == wire_snapshot
    assert talk(switchboard, "3") == wire_snapshot(name="third")
    assert talk(switchboard, "4") == wire_snapshot(name="Third")
"""
    )
    written = here(example(text), "--snapshot-update")
    assert snapshots(written) == {"test_it.wire", "test_it.1.wire", "test_it@third.wire", "test_it@Third-5e7425d7.wire"}
    assert here(written.example).outcomes == {"passed": 1}


def test_modules_of_one_name_in_two_folders_keep_theirs_apart(example: MakeExample, here: Here) -> None:
    files = {f"{folder}/{name}": text for folder in "ab" for name, text in {"__init__.py": "", "test_it.py": ONE}.items()}
    written = here(example(files), "--snapshot-update")
    assert set(written.changed) == {"a/__snapshots__/test_it/test_it.wire", "b/__snapshots__/test_it/test_it.wire"}
    assert here(written.example.with_files({"b/test_it.py": None}), "a").outcomes == {"passed": 1}


def test_a_run_of_one_module_leaves_the_snapshots_of_its_namesake_alone(example: MakeExample, here: Here) -> None:
    slow = "import pytest\npytestmark = pytest.mark.slow\n" + ONE
    files = {"a/__init__.py": "", "a/test_it.py": ONE, "b/__init__.py": "", "b/test_it.py": slow, **MARKERS}
    written = here(example(files), "--snapshot-update")
    run = here(written.example, "--snapshot-update", "-m", "not slow")
    assert (run.outcomes, run.changed) == ({"passed": 1, "deselected": 1}, {})


def test_files_do_not_depend_on_where_pytest_runs(example: MakeExample, here: Here) -> None:
    text = (
        TEST
        + """
@pytest.mark.parametrize("x", ["a/b"])
def test_it(switchboard, wire_snapshot, x):
    assert talk(switchboard) == wire_snapshot
"""
    )
    files = {"sub/test_it.py": text, "sub/__init__.py": ""}
    written = here(example(files), "--snapshot-update")
    moved = {
        path.removeprefix("sub/"): file
        for path, file in written.example.files.items()
        if path.startswith("sub/") and "__init__" not in path
    }
    assert here(example(moved)).outcomes == {"passed": 1}


OPEN = (
    TEST
    + """
def test_it(switchboard, wire_snapshot):
    with switchboard(echo=echo()) as board:
        assert {comparison}
"""
)


@pytest.mark.parametrize("comparison", ["board == wire_snapshot", "wire_snapshot == board"])
def test_an_open_board_is_refused_and_told_how_to_close(example: MakeExample, here: Here, comparison: str) -> None:
    run = here(example(OPEN.replace("{comparison}", comparison)), "--snapshot-update")
    assert run.outcomes["failed"] == 1
    assert snapshots(run) == set()
    run.says("UsageError: this board is still open and its log still grows; close it first: board.close(), or leave its block")


def test_an_open_async_board_is_told_of_aclose(example: MakeExample, here: Here) -> None:
    text = """
import pytest
from servers import echo

@pytest.fixture
async def board(switchboard, anyio_backend):
    async with switchboard(echo=echo()) as board:
        yield board

@pytest.mark.anyio
@pytest.mark.parametrize("anyio_backend", ["asyncio", "trio"])
async def test_open(board, wire_snapshot, anyio_backend):
    assert board == wire_snapshot

@pytest.mark.anyio
@pytest.mark.parametrize("anyio_backend", ["asyncio", "trio"])
async def test_closed(board, wire_snapshot, anyio_backend):
    await board.aclose()
    await board.aclose()
    assert board == wire_snapshot
"""
    run = here(example(text), "--snapshot-update")
    assert (run.outcomes["failed"], run.outcomes["passed"]) == (2, 2)
    assert snapshots(run) == {"test_closed.wire"}
    run.says("close it first: await board.aclose(), or leave its block")


@pytest.mark.parametrize(
    ("comparison", "message"),
    [
        ('"text" == wire_snapshot', "UsageError: wire_snapshot compares boards, not str: assert board == wire_snapshot"),
        ("talk(switchboard) == wire_snapshot(exclude=print)", "UsageError: wire_snapshot takes no include= or exclude="),
    ],
)
def test_what_is_no_board_is_refused(example: MakeExample, here: Here, comparison: str, message: str) -> None:
    text = TEST + f"\ndef test_it(switchboard, wire_snapshot):\n    assert {comparison}\n"
    run = here(example(text), "--snapshot-update")
    assert run.outcomes["failed"] == 1
    run.says(message)


def test_without_syrupy_the_fixture_says_so(example: MakeExample, pytester: pytest.Pytester) -> None:
    run = example(ONE).run_here(pytester)
    assert run.outcomes == {"error": 1}
    run.says("wire_snapshot needs the syrupy plugin, which is switched off in this run (-p no:syrupy)")


def test_a_board_equals_only_itself_and_what_a_snapshot_says(example: MakeExample, pytester: pytest.Pytester) -> None:
    text = (
        TEST
        + """
def test_it(switchboard):
    board = talk(switchboard)
    assert board == board
    assert board != talk(switchboard)
    assert board != "text"
    assert board.__eq__("text") is NotImplemented
"""
    )
    assert example(text).run_here(pytester).outcomes == {"passed": 1}


def test_the_order_of_tests_changes_no_file(example: MakeExample, here: Here) -> None:
    backwards = "\ndef pytest_collection_modifyitems(items): items.reverse()\n"
    written = here(example({"test_it.py": TWO, **MARKERS}), "--snapshot-update").example
    run = here(written.with_files({"conftest.py": written.files["conftest.py"] + backwards}))
    assert (run.outcomes, run.changed) == ({"passed": 2}, {})
