"""What forges say when they will not have a push, in their own words, and what we make of it.

Moved: make the commit anew. Refused: somebody must act. Away: wait.
"""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gitops_prefix.publish.failure import (
    Failed,
    Kind,
    Published,
    PushReport,
    read_failure,
    read_push,
)
from gitops_prefix.publish.stages import Stage

HOOK = "pre-receive hook declined"
HUNG_UP = "fatal: Could not read from remote repository."
HTTP = "fatal: unable to access 'https://git.example/o/r.git/': The requested URL returned error: "
BOX = "remote: ========================================================================\nremote: \n"

# Forge and case: the reason in the branch's own line, the words beside it, what it is.
WORDS: dict[str, tuple[str, str, Kind]] = {
    "GitHub: protected branch": ("protected branch hook declined", "remote: error: GH006: Protected branch update failed for refs/heads/main.\nremote: error: At least 1 approving review is required by reviewers with write access.", Kind.REFUSED),
    "GitHub: a ruleset": ("push declined due to repository rule violations", "remote: error: GH013: Repository rule violations found for refs/heads/main.\nremote: - Changes must be made through a pull request.", Kind.REFUSED),
    "GitHub: unsigned commits": ("push declined due to repository rule violations", "remote: error: GH013: Repository rule violations found for refs/heads/main.\nremote: - Commits must have verified signatures.", Kind.REFUSED),
    "GitHub: an address that is private": ("push declined due to email privacy restrictions", "remote: error: GH007: Your push would publish a private email address.", Kind.REFUSED),
    "GitHub: a token without workflow scope": ("refusing to allow a Personal Access Token to create or update workflow `.github/workflows/x.yml` without `workflow` scope", "", Kind.REFUSED),
    "GitHub: archived, https": ("", f"remote: This repository was archived so it is read-only.\n{HTTP}403", Kind.REFUSED),
    "GitHub: archived, ssh": ("", f"ERROR: This repository was archived so it is read-only.\n{HUNG_UP}", Kind.REFUSED),
    "GitHub: a token that may not write": ("", f"remote: Write access to repository not granted.\n{HTTP}403", Kind.REFUSED),
    "GitHub: another's repository": ("", f"remote: Permission to o/r.git denied to robot.\n{HTTP}403", Kind.REFUSED),
    "GitHub: a key that may not write": ("", f"ERROR: Permission to o/r.git denied to deploy key\n{HUNG_UP}", Kind.REFUSED),
    "GitHub: a read-only deploy key": ("", f"ERROR: The key you are authenticating with has been marked as read only.\n{HUNG_UP}", Kind.REFUSED),
    "GitHub: a password": ("", "remote: Invalid username or token. Password authentication is not supported for Git operations.\nfatal: Authentication failed for 'https://github.com/o/r.git/'", Kind.REFUSED),
    "GitHub: nothing there, ssh": ("", f"ERROR: Repository not found.\n{HUNG_UP}", Kind.REFUSED),
    "GitHub: suspended": ("", f"ERROR: Your account is suspended. Please visit https://support.github.com for more information.\n{HUNG_UP}", Kind.REFUSED),
    "GitHub: single sign-on": ("", f"ERROR: The 'o' organization has enabled or enforced SAML SSO.\n{HUNG_UP}", Kind.REFUSED),
    "GitHub: a large file": (HOOK, "remote: error: GH001: Large files detected. You may want to try Git Large File Storage", Kind.REFUSED),
    "GitHub: a race": ("cannot lock ref 'refs/heads/main': is at 1111111 but expected 2222222", "", Kind.MOVED),
    "GitHub: its storage fails": ("failure", "remote: fatal error in commit_refs", Kind.AWAY),
    "GitHub: it stumbles": ("Internal Server Error", "", Kind.AWAY),
    "GitHub: a system error": (HOOK, "remote: Unexpected system error after push was received.", Kind.AWAY),
    "GitHub: too often, by 403": ("", f"remote: You have exceeded a secondary rate limit. Please wait a few minutes before you try again.\n{HTTP}403", Kind.AWAY),
    "GitHub: too often, by 429": ("", f"{HTTP}429", Kind.AWAY),
    "GitHub Enterprise: maintenance": ("", f"remote: GitHub is undergoing scheduled maintenance.\n{HTTP}503", Kind.AWAY),
    "GitLab: protected branch": (HOOK, "remote: GitLab: You are not allowed to push code to protected branches on this project.", Kind.REFUSED),
    "GitLab: a message's pattern": (HOOK, "remote: GitLab: Commit message does not follow the pattern '^JIRA-'", Kind.REFUSED),
    "GitLab: a stranger as author": (HOOK, "remote: GitLab: Author 'robot@example.com' is not a member of team", Kind.REFUSED),
    "GitLab: a token that may not write": ("", f"remote: You are not allowed to upload code.\n{HTTP}403", Kind.REFUSED),
    "GitLab: a key that may not write": ("", f"{BOX}remote: ERROR: This deploy key does not have write access to this project.\n{BOX}{HUNG_UP}", Kind.REFUSED),
    "GitLab: nothing there, ssh": ("", f"{BOX}remote: ERROR: The project you were looking for could not be found or you don't have permission to view it.\n{BOX}{HUNG_UP}", Kind.REFUSED),
    "GitLab: an expired token": ("", "remote: HTTP Basic: Access denied. If a password was provided for Git authentication, the password was incorrect or you're required to use a token instead of a password.\nfatal: Authentication failed for 'https://gitlab.com/o/r.git/'", Kind.REFUSED),
    "GitLab: over its size limit": (HOOK, "remote: GitLab: Your push to this repository would cause it to exceed the allocated storage by 11.2 MiB and has been rejected. Contact your GitLab administrator for more information.", Kind.REFUSED),
    "GitLab: being moved": (HOOK, "remote: GitLab: The repository is temporarily read-only. Please try again later.", Kind.AWAY),
    "GitLab: maintenance": ("", f"{BOX}remote: Git push is not allowed because this GitLab instance is currently in (read-only) maintenance mode.\n{BOX}{HUNG_UP}", Kind.AWAY),
    "GitLab: too often, ssh": ("", f"{BOX}remote: ERROR: This endpoint has been requested too many times. Try again later.\n{BOX}{HUNG_UP}", Kind.AWAY),
    "GitLab: too often, https": ("", f"remote: Retry later\n{HTTP}429", Kind.AWAY),
    "GitLab: its own half is away": (HOOK, "remote: GitLab: Internal API unreachable", Kind.AWAY),
    "GitLab: Gitaly is away": ("", f"fatal: remote error: The git server, Gitaly, is not available at this time. Please contact your administrator.\n{HUNG_UP}", Kind.AWAY),
    "GitLab: Gitaly is late": (HOOK, "remote: GitLab: 4:Deadline Exceeded.", Kind.AWAY),
    "Gitea: protected branch": (HOOK, "remote: Gitea: Not allowed to push to protected branch main", Kind.REFUSED),
    "Forgejo: protected branch": (HOOK, "remote: Forgejo: Not allowed to push to protected branch main", Kind.REFUSED),
    "Gitea: an unsigned commit": (HOOK, "remote: Gitea: Branch: main is protected from unverified commit 1234567", Kind.REFUSED),
    "Gitea: a user that may not write": ("", f"remote: Gitea: User permission denied for writing.\n{HTTP}403", Kind.REFUSED),
    "Gitea: a key that may not write": ("", f"Gitea: Deploy Key: 7:prefix is not authorized to write to o/r.\n{HUNG_UP}", Kind.REFUSED),
    "Forgejo: a mirror": ("", f"Forgejo: Mirror repository is read-only\n{HUNG_UP}", Kind.REFUSED),
    "Forgejo: over quota": (HOOK, "remote: Forgejo: Quota exceeded", Kind.REFUSED),
    "Gitea: its own half is away": (HOOK, "remote: Gitea: Internal Server Connection Error", Kind.AWAY),
    "Forgejo: it stumbles": ("", f"Forgejo: Internal Server Error\n{HUNG_UP}", Kind.AWAY),
    "Bitbucket: protected branch": (HOOK, "remote: Permission denied to update branch main.", Kind.REFUSED),
    "Bitbucket: nothing there": ("", f"conq: repository does not exist.\n{HUNG_UP}", Kind.REFUSED),
    "Bitbucket: another's key": ("", f"conq: repository access denied. deployment key is not associated with the requested repository.\n{HUNG_UP}", Kind.REFUSED),
    "Bitbucket: over its size limit": (HOOK, "remote: Your push failed because the account 'o' has exceeded its user limit and this repository is restricted to read-only access.", Kind.REFUSED),
    "Bitbucket: too often": ("", f"remote: Rate limit for this resource has been exceeded\n{HTTP}429", Kind.AWAY),
    "Bitbucket Data Center: by pull request alone": (HOOK, "remote: Branch refs/heads/main can only be modified through pull requests.\nremote: Check your branch permissions configuration with the project administrator.", Kind.REFUSED),
    "Bitbucket Data Center: busy": ("", f"fatal: remote error: Bitbucket is currently under heavy load and is not able to service your request. Please wait briefly and try your request again.\n{HUNG_UP}", Kind.AWAY),
    "Bitbucket Data Center: maintenance": ("", f"fatal: remote error: Bitbucket is in maintenance mode\n{HUNG_UP}", Kind.AWAY),
    "Gerrit: no right": ("prohibited by Gerrit: not permitted: update", "", Kind.REFUSED),
    "Gerrit: no Change-Id": ("commit 1234567: missing Change-Id in message footer", "", Kind.REFUSED),
    "Gerrit: a race": ("failed to lock", "", Kind.MOVED),
    "Gerrit: it stumbles": ("internal server error", "remote: error: internal server error while processing changes", Kind.AWAY),
    "Gerrit: maintenance": (HOOK, "remote: Gerrit is under maintenance - all data is READ ONLY", Kind.AWAY),
    "Gerrit: too often": ("", f"fatal: Exceeded rate limit of 10 fetch requests/hour\n{HUNG_UP}", Kind.AWAY),
    "Azure: by pull request alone": ("TF402455: Pushes to this branch are not permitted; you must use a pull request to update this branch.", "", Kind.REFUSED),
    "Azure: no right": ("TF401027: You need the Git 'GenericContribute' permission to perform this action.", "", Kind.REFUSED),
    "git: the disk is full": ("unpacker error", "remote: error: unable to write file ./objects/ab/cdef: No space left on device\nerror: remote unpack failed: unpack-objects abnormal exit", Kind.AWAY),
    "git: the disk is full, a pack": ("unpacker error", "remote: fatal: write error: No space left on device\nerror: remote unpack failed: index-pack abnormal exit", Kind.AWAY),
    "git: the disk is full at the end": ("unable to migrate objects to permanent storage", "", Kind.AWAY),
    "git: the user's quota": ("unpacker error", "remote: fatal: write error: Disk quota exceeded\nerror: remote unpack failed: index-pack abnormal exit", Kind.AWAY),
    "git: killed for its memory": ("unpacker error", "error: remote unpack failed: index-pack abnormal exit", Kind.AWAY),
    "git: no process left": ("", f"fatal: fork failed: Resource temporarily unavailable\n{HUNG_UP}", Kind.AWAY),
    "git: not our objects": ("unpacker error", "remote: error: insufficient permission for adding an object to repository database ./objects\nremote: fatal: failed to write object\nerror: remote unpack failed: unpack-objects abnormal exit", Kind.REFUSED),
    "git: a read-only disk": ("unpacker error", "remote: fatal: unable to create temporary file: Read-only file system", Kind.REFUSED),
    "git: a lock that was left": ("failed to update ref", "remote: error: cannot lock ref 'refs/heads/main': Unable to create '/srv/r.git/./refs/heads/main.lock': File exists.", Kind.MOVED),
    "git: another was first": ("incorrect old value provided", "", Kind.MOVED),
    "git: a shallow clone's commit": ("shallow update not allowed", "", Kind.REFUSED),
    "a hook that talks of git": (HOOK, "remote: non-fast-forward, fetch first, cannot lock ref: just kidding", Kind.REFUSED),
    "a hook that knows when": (HOOK, "remote: deployments are frozen, try again later", Kind.AWAY),
    "a proxy that wants a password": ("", "fatal: unable to access 'https://git.example/o/r.git/': Received HTTP code 407 from proxy after CONNECT", Kind.REFUSED),
    "a proxy that is away": ("", "fatal: unable to access 'https://git.example/o/r.git/': Received HTTP code 502 from proxy after CONNECT", Kind.AWAY),
    "a push that is too large": ("", "error: RPC failed; HTTP 413 curl 22 The requested URL returned error: 413", Kind.REFUSED),
    "ssh: no common algorithm": ("", f"Unable to negotiate with 192.0.2.1 port 22: no matching host key type found. Their offer: ssh-rsa\n{HUNG_UP}", Kind.REFUSED),
    "ssh: a server that is full": ("", f"kex_exchange_identification: Connection closed by remote host\n{HUNG_UP}", Kind.AWAY),
    "ssh: nobody home": ("", f"ssh: connect to host git.example port 22: No route to host\n{HUNG_UP}", Kind.AWAY),
    "a repository called maintenance": ("", f"ERROR: Permission to o/maintenance.git denied to deploy key\n{HUNG_UP}", Kind.REFUSED),
}  # fmt: skip

NOISE = st.lists(
    st.sampled_from(
        [
            "remote: ",
            "remote: Resolving deltas: 100% (3/3), completed with 3 local objects.",
            "remote: Enumerating objects: 5, done.",
            "remote: ------------------------------------------------------------",
            "Warning: Permanently added 'git.example' (ED25519) to the list of known hosts.",
            "** WARNING: connection is not using a post-quantum key exchange algorithm.",
            "warning: redirecting to https://git.example/denied/forbidden.git/",
            "hint: Updates were rejected because the remote contains work that you do not",
            "error: failed to push some refs to 'ssh://git@git.example/forbidden/rate-limit.git'",
        ]
    ),
    max_size=5,
)


def report(reason: str, stderr: str, *, before: str = "", after: str = "") -> PushReport:
    line = f"!\tabc:refs/heads/main\t[remote rejected] ({reason})\n" if reason else ""
    words = f"{before}{stderr}\n{after}"
    return read_push(1, f"To git.example:o/r.git\n{line}Done\n", words, "abc")


def kind_of(answer: PushReport) -> Kind:
    assert isinstance(answer, Failed)
    return answer.kind


@pytest.mark.parametrize(("reason", "stderr", "kind"), WORDS.values(), ids=WORDS)
def test_a_forge_that_says_no(reason: str, stderr: str, kind: Kind):
    """And whoever must act reads its first words."""
    answer = report(reason, stderr)
    assert kind_of(answer) is kind
    assert reason in answer.words
    said = [line for line in stderr.splitlines() if "====" not in line and line != "remote: "]
    assert all(line in answer.words for line in said)
    assert "====" not in answer.words


BESIDE = {name: case for name, case in WORDS.items() if not case[0]}


@pytest.mark.parametrize(("_reason", "stderr", "kind"), BESIDE.values(), ids=BESIDE)
def test_a_forge_that_says_no_to_a_fetch(_reason: str, stderr: str, kind: Kind):
    assert read_failure(Stage.FETCH, stderr).kind is kind


@given(case=st.sampled_from(list(WORDS.values())), before=NOISE, after=NOISE)
def test_what_is_said_around_it_does_not_matter(case, before: list[str], after: list[str]):
    """Progress, banners, and hints for people; in any number, with any line break."""
    reason, stderr, kind = case
    noise = ["".join(f"{line}\r\n" for line in lines) for lines in (before, after)]
    assert kind_of(report(reason, stderr, before=noise[0], after=noise[1])) is kind


@given(reason=st.text(max_size=40), stderr=st.text(max_size=200))
def test_whatever_is_said_a_push_that_failed_is_not_published(reason: str, stderr: str):
    """Words decide how long to wait, and never that it went well."""
    answer = report(reason, stderr)
    assert not isinstance(answer, Published)
    assert answer.words
    assert len(answer.words) <= 2000
    assert read_failure(Stage.FETCH, stderr).words


@given(stderr=st.text(max_size=200))
def test_a_hook_never_sends_us_to_fetch(stderr: str):
    """That would be a loop of ten pushes against a door that is shut."""
    assert kind_of(report(HOOK, stderr)) is not Kind.MOVED
