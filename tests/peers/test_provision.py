"""Finding the peers: what the commands are, and what happens where a peer is absent."""

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.peers import install, provision


@pytest.fixture
def nothing_installed(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(provision, "NPM_ROOT", tmp_path)
    monkeypatch.setattr(provision, "TIME_ROOT", tmp_path)
    monkeypatch.setattr(provision, "SUITES_ROOT", tmp_path)
    monkeypatch.delenv(provision.REQUIRE, raising=False)


@pytest.mark.usefixtures("nothing_installed")
def test_an_absent_npm_peer_skips_and_says_how_to_install_it() -> None:
    with pytest.raises(pytest.skip.Exception, match=r"peer server-everything is not installed: .*; run 'python tests/peers/"):
        provision.npm_peer("server-everything")


@pytest.mark.usefixtures("nothing_installed")
def test_an_absent_time_peer_skips_and_says_how_to_install_it() -> None:
    with pytest.raises(pytest.skip.Exception, match=r"peer mcp-server-time is not installed: .*; run 'python tests/peers/"):
        provision.time_peer()


@pytest.mark.usefixtures("nothing_installed")
@pytest.mark.parametrize("find", [provision.conformance_suite, provision.inspector_cli])
def test_an_absent_suite_skips_and_says_how_to_install_it(find: Callable[[], list[str]]) -> None:
    with pytest.raises(pytest.skip.Exception, match=r"is not installed: .*; run 'python tests/peers/install.py'"):
        find()


@pytest.mark.usefixtures("nothing_installed")
def test_an_absent_peer_fails_where_peers_are_required(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(provision.REQUIRE, "1")
    with pytest.raises(pytest.fail.Exception, match="MCPSYM_REQUIRE_PEERS=1 forbids skipping"):
        provision.time_peer()


@pytest.mark.parametrize("name", ["server-everything", "server-sequential-thinking"])
def test_an_installed_npm_peer_is_started_by_node(name: str) -> None:
    node, script, argument = provision.npm_peer(name, "stdio")
    assert Path(node).stem == "node"
    assert Path(script).is_file()
    assert argument == "stdio"


def test_the_time_peer_runs_in_an_environment_of_its_own() -> None:
    python, *arguments = provision.time_peer("--local-timezone", "UTC")
    assert Path(python).is_relative_to(provision.TIME_ROOT)
    assert arguments == ["-m", "mcp_server_time", "--local-timezone", "UTC"]


@pytest.mark.parametrize("find", [provision.conformance_suite, lambda: provision.conformance_suite("conformance-0.1")])
def test_an_installed_suite_is_run_by_the_node_that_came_with_it(find: Callable[[], list[str]]) -> None:
    node, script = find()
    assert Path(node).is_relative_to(provision.SUITES_ROOT)
    assert Path(script).is_file()


@pytest.mark.parametrize("folder", [provision.NPM_ROOT, provision.SUITES_ROOT])
def test_the_lockfile_names_no_download_addresses(folder: Path) -> None:
    assert '"resolved"' not in (folder / "package-lock.json").read_text("utf-8")


def test_what_a_link_leads_to_is_left_alone(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (tmp_path / "peer").mkdir()
    link = tmp_path / "peer" / "node_modules"
    link.symlink_to(elsewhere)
    monkeypatch.setattr(install, "PEERS", tmp_path)

    install.ensure(link, [], "v24", lambda: pytest.fail("it was installed"))

    assert "is a link to" in capsys.readouterr().out
