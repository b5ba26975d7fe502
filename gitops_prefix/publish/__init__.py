"""Edited files -> a commit -> the branch, and nothing but Git.

What lives here talks to git (through `git.py` alone). It never watches a link and
never decides: it is handed files and words, and says what became of them.
"""
