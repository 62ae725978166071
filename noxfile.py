"""Every check of this project as one command: `nox --list` shows them, `nox` runs the default ones.

The Python versions come from the classifiers in pyproject.toml; a version that is not on the machine is skipped.
"""

import shutil
from pathlib import Path

import nox

nox.needs_version = ">=2025.2"
nox.options.sessions = ["lint", "types", "tests", "docs"]
nox.options.error_on_missing_interpreters = False
nox.options.reuse_venv = "yes"

ROOT = Path(__file__).resolve().parent
PYTHONS = nox.project.python_versions(nox.project.load_toml(ROOT / "pyproject.toml"))
OLDEST = PYTHONS[0]
SUITE = ("tests", "examples")


@nox.session(python=PYTHONS)
def tests(session: nox.Session) -> None:
    """Run tests and examples on one Python version; arguments after `--` go to pytest."""
    session.install("-e", ".[test]")
    session.run("python", "-m", "pytest", "-n", "2", *(session.posargs or SUITE))


@nox.session(python=OLDEST, venv_backend="uv")
def lowest(session: nox.Session) -> None:
    """Run tests and examples on the oldest versions that pyproject.toml allows."""
    session.run_install("uv", "pip", "install", "--resolution", "lowest-direct", "-e", ".[test]")
    session.run("python", "-m", "pytest", "-n", "2", *(session.posargs or SUITE))


@nox.session(python=OLDEST)
def wheel(session: nox.Session) -> None:
    """Run tests and examples against the built wheel, out of reach of the source tree."""
    work = Path(session.create_tmp()).resolve()
    away, dist = work / "away", work / "dist"
    for leftover in (away, dist):
        shutil.rmtree(leftover, ignore_errors=True)
    session.run("python", "-m", "pip", "wheel", "--quiet", "--no-deps", "--wheel-dir", str(dist), ".")
    (built,) = dist.glob("*.whl")
    session.install("--force-reinstall", "--no-deps", str(built))
    session.install(f"pytest-mcpsym[test] @ {built.as_uri()}")
    for folder in (*SUITE, "docs"):
        shutil.copytree(ROOT / folder, away / folder, ignore=shutil.ignore_patterns("node_modules", "venv", "__pycache__"))
    for name in ("pyproject.toml", "README.md", "CHANGELOG.md"):
        shutil.copy(ROOT / name, away)
    session.chdir(away)
    session.run("python", "-m", "pytest", "-n", "2", *(session.posargs or SUITE))


@nox.session(python=OLDEST)
def peers(session: nox.Session) -> None:
    """Install the servers that nobody here wrote and run the tests against them; an absent one fails."""
    session.install("-e", ".[test]")
    session.run("python", "tests/peers/install.py")
    session.run("python", "-m", "pytest", *(session.posargs or ["tests/peers"]), env={"MCPSYM_REQUIRE_PEERS": "1"})


@nox.session(python=OLDEST)
def mutants(session: nox.Session) -> None:
    """Print which check names which mutant, and look for false alarms in 500 random uses of healthy servers."""
    session.install("-e", ".[fakes]")
    session.run("mcpsym", "mutants", *(session.posargs or ["--random", "500"]))


@nox.session(python=OLDEST)
def coverage(session: nox.Session) -> None:
    """Measure the branches that tests and examples reach, in subprocesses too."""
    session.install("-e", ".[test]")
    session.run("coverage", "erase")
    session.run("coverage", "run", "-m", "pytest", *(session.posargs or SUITE))
    session.run("coverage", "combine", "--quiet")
    session.run("coverage", "report")


@nox.session(python=OLDEST)
def lint(session: nox.Session) -> None:
    """Check style and formatting."""
    session.install("-e", ".[lint]")
    session.run("ruff", "check", ".")
    session.run("ruff", "format", "--check", ".")


@nox.session(python=OLDEST)
def types(session: nox.Session) -> None:
    """Check types, strictly."""
    session.install("-e", ".[dev]")
    session.run("pyright", "--project", "pyproject.toml", env={"PYRIGHT_PYTHON_IGNORE_WARNINGS": "1"})


@nox.session(python=OLDEST)
def docs(session: nox.Session) -> None:
    """Build the documentation; a broken link or a page outside the navigation is an error."""
    session.install("-e", ".[docs]")
    session.run("properdocs", "build", "--strict")


@nox.session(python=OLDEST)
def bench(session: nox.Session) -> None:
    """Measure what recording costs and print the table of ratios."""
    session.install("-e", ".[bench]")
    session.run("python", "-m", "benchmarks", *session.posargs)
