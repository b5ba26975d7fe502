"""Kubeconfigs that cannot be used, each broken in a way of its own."""

import json

TOKEN = "s3cret-of-the-admin"
"""In each of them; it shows nowhere."""


def kubeconfig(path, user: dict, cluster: dict | None = None, **more: object):
    """A kubeconfig with one context."""
    document = {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": "c", "cluster": cluster or {"server": "http://127.0.0.1:1"}}],
        "users": [{"name": "u", "user": user}],
        "contexts": [{"name": "c", "context": {"cluster": "c", "user": "u"}}],
        "current-context": "c",
        **more,
    }
    path.write_text(json.dumps(document))
    return path


BROKEN = {
    "no YAML": "{",
    "a list": "[]",
    "a word": "hello",
    "empty": "",
    "no contexts": json.dumps({"users": [{"name": "u", "user": {"token": TOKEN}}]}),
    "a context of no user": json.dumps(
        {"contexts": [{"name": "c", "context": {"cluster": "c"}}], "current-context": "c",
         "users": [{"name": "u", "user": {"token": TOKEN}}]}),
    "a user without a name": json.dumps(
        {"contexts": [{"name": "c", "context": {"cluster": "c", "user": "u"}}], "current-context": "c",
         "clusters": [{"name": "c", "cluster": {"server": "https://a"}}],
         "users": [{"nam": "u", "user": {"token": TOKEN}}]}),
    "a user in another form": json.dumps(
        {"contexts": [{"name": "c", "context": {"cluster": "c", "user": "u"}}], "current-context": "c",
         "clusters": [{"name": "c", "cluster": {"server": "https://a"}}],
         "users": [{"name": "u", "usr": {"token": TOKEN}}]}),
}  # fmt: skip


HTTPS = {"server": "https://127.0.0.1:1"}
EXEC = "client.authentication.k8s.io/v1"
WRONG = {
    "a context that is not there": ({}, HTTPS, {"current-context": "nope"}, "no context nope (it has: c)"),
    "no current context": ({}, HTTPS, {"current-context": None}, "there is no current-context (it has: c)"),
    "a user that is not there": ({}, HTTPS, {"users": None}, "names a user that is not there"),
    "a cluster that is not there": ({}, HTTPS, {"clusters": []}, "names a cluster that is not there"),
    "no server": ({}, {"insecure-skip-tls-verify": True}, {}, "the cluster's server is None: write https://"),
    "a server without a scheme": ({}, {"server": "127.0.0.1:6443"}, {}, "write https://HOST:PORT"),
    "a server of another scheme": ({}, {"server": "ftp://host"}, {}, "write https://HOST:PORT"),
    "a port that is none": ({}, {"server": "https://host:999999"}, {}, "write https://HOST:PORT"),
    "a bracket that stays open": ({}, {"server": "https://[::1"}, {}, "write https://HOST:PORT"),
    "a token that is a number": ({"token": 5}, HTTPS, {}, "token is no text: put it into quotes"),
    "a token's file that is not there": ({"tokenFile": "/nonexistent/token"}, HTTPS, {}, "/nonexistent/token, and there is no such file"),
    "a token's file that is a directory": ({"tokenFile": "/"}, HTTPS, {}, "there is no such file"),
    "a token's file that is not there, beside the kubeconfig": ({"tokenFile": "gone"}, HTTPS, {}, "names the file"),
    "a user that is a list": ([TOKEN], HTTPS, {}, "is no mapping"),
    "a user without a password": ({"username": "me"}, HTTPS, {}, "and not both"),
    "a password without a user": ({"password": TOKEN}, HTTPS, {}, "and not both"),
    "a server with a blank in it": ({}, {"server": "https://a b"}, {}, "write https://HOST:PORT"),
    "a server with a line's end in it": ({}, {"server": "https://\n127.0.0.1"}, {}, "write https://HOST:PORT"),
    "a proxy that is a number": ({}, HTTPS | {"proxy-url": 7}, {}, "proxy-url is no text"),
    "a certificate without its key": ({"client-certificate-data": "eA=="}, HTTPS, {}, "no client-key: add it"),
    "a key without its certificate": ({"client-key-data": "eA=="}, HTTPS, {}, "no client-certificate: add it"),
    "certificates that are none": ({"client-certificate-data": "eA==", "client-key-data": "eA=="}, HTTPS, {}, "are not PEM, or do not belong together"),
    "an authority that is none": ({}, HTTPS | {"certificate-authority-data": "eA=="}, {}, "certificate-authority is no certificate"),
    "an authority's file that is not there": ({}, HTTPS | {"certificate-authority": "/nonexistent"}, {}, "/nonexistent"),
    "an exec that is a word": ({"exec": "aws"}, HTTPS, {}, "exec names no command"),
    "an exec without its command": ({"exec": {"apiVersion": EXEC}}, HTTPS, {}, "exec names no command"),
    "an exec without its version": ({"exec": {"command": "true"}}, HTTPS, {}, "the program 'true'"),
    "what kubectl has removed": ({"auth-provider": {"name": "gcp", "config": {"access-token": TOKEN}}}, HTTPS, {}, "auth-provider, which kubectl has removed"),
}  # fmt: skip
