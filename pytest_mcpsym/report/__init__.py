"""Texts for people: what failed, where, what was nearest, what to do."""
