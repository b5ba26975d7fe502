"""Edited files -> a commit -> the branch; then pull requests and notices.

Only `git.py` starts git, and only `http.py` sends requests. Nothing here watches a link or
decides: files and words go in, and a report comes out.
"""
