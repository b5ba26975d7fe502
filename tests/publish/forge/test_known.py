"""Which forge a remote is at: by its host, or by what was said."""

import pytest

from gitops_prefix.errors import InputError
from gitops_prefix.publish.forge.gitea import Gitea
from gitops_prefix.publish.forge.github import GitHub
from gitops_prefix.publish.forge.gitlab import GitLab
from gitops_prefix.publish.forge.known import forge_of

KNOWN = [
    ("https://github.com/a/b.git", "auto", "", GitHub("https://api.github.com", "a/b", "main")),
    ("https://github.com/a/b", "github", "", GitHub("https://api.github.com", "a/b", "main")),
    ("git@github.com:a/b.git", "auto", "", GitHub("https://api.github.com", "a/b", "main")),
    ("ssh://git@github.com/a/b.git", "auto", "", GitHub("https://api.github.com", "a/b", "main")),
    (
        "ssh://git@ghe.example:2222/a/b.git",
        "github",
        "",
        GitHub("https://ghe.example/api/v3", "a/b", "main"),
    ),
    (
        "https://gitlab.com/g/s/p.git",
        "auto",
        "",
        GitLab("https://gitlab.com/api/v4", "g/s/p", "main"),
    ),
    (
        "https://lab.example:8443/g/p/",
        "gitlab",
        "",
        GitLab("https://lab.example:8443/api/v4", "g/p", "main"),
    ),
    (
        "https://x.example/gitlab/g/p.git",
        "gitlab",
        "https://x.example/gitlab/api/v4/",
        GitLab("https://x.example/gitlab/api/v4", "g/p", "main"),
    ),
    ("https://codeberg.org/a/b", "auto", "", Gitea("https://codeberg.org/api/v1", "a/b", "main")),
    ("https://gitea.com/a/b", "auto", "", Gitea("https://gitea.com/api/v1", "a/b", "main")),
    *(
        (url, "gitea", "", Gitea("https://[2001:db8::1]/api/v1", "a/b", "main"))
        for url in ("ssh://git@[2001:db8::1]:22/a/b.git", "git@[2001:db8::1]:a/b.git")
    ),
    ("https://f.example/a/b", "forgejo", "", Gitea("https://f.example/api/v1", "a/b", "main")),
    (
        "git@f.example:a/b",
        "gitea",
        "http://127.0.0.1:3000/api/v1",
        Gitea("http://127.0.0.1:3000/api/v1", "a/b", "main"),
    ),
]


@pytest.mark.parametrize(("url", "kind", "api", "forge"), KNOWN)
def test_a_remote_has_its_forge(url, kind, api, forge):
    assert forge_of(url, "main", kind=kind, api=api) == forge


UNKNOWN = [
    ("https://git.example/a/b", "auto", "", "no-forge"),
    ("/srv/git/home.git", "github", "", "no-forge"),
    ("./a:b/c", "github", "", "no-forge"),
    ("file:///srv/git/home.git", "gitlab", "", "no-forge"),
    ("https://github.com/", "auto", "", "no-forge"),
    ("https://github.com/a", "auto", "", "no-forge"),
    ("https://codeberg.org/a/b/c", "auto", "", "no-forge"),
    ("https://gitlab.com/g/p", "auto", "gitlab.com/api/v4", "invalid-forge-url"),
    ("https://gitlab.com/g/p", "auto", "https://me:pw@gitlab.com/api", "invalid-forge-url"),
    ("https://gitlab.com/g/p", "auto", "https://x:port/", "invalid-forge-url"),
    ("https://gitlab.com/g/p", "auto", "http://gitlab.com/api/v4", "token-over-http"),
]


@pytest.mark.parametrize(("url", "kind", "api", "code"), UNKNOWN)
def test_what_cannot_be_meant_is_bad_input(url, kind, api, code):
    with pytest.raises(InputError) as error:
        forge_of(url, "main", kind=kind, api=api)
    assert [one.code for one in error.value.problems] == [code]
    assert "pw" not in str(error.value)
