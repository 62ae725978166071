"""What recording costs, as ratios: `python -m benchmarks` measures both sides of each in one run and prints one table.

README.md beside this file says how to read it. Pinned by `tests/benchmarks/test_runs.py`.
"""
