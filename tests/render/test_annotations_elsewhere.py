"""Annotations wherever annotations stand: the Services that charts and Gateways make."""

import pytest

from tests.render.repository import A, B, render_once
from tests.render.services import ALPHA, BETA, IPS, PREFIX, TEN, service

NAME = "dynamic-prefix.io/name: home"
HERE_A = "2001:db8:a:0:f000::10"
LB = "dynamic-prefix.io/service-address-range: lb"


def values(*annotations: str, more: str = "", kind: str = "HelmRelease") -> str:
    lines = "".join(f"          {line}\n" for line in (NAME, *annotations))
    return (
        f"apiVersion: helm.toolkit.fluxcd.io/v2\nkind: {kind}\n"
        "metadata: {name: plex, namespace: media}\n"
        f"spec:\n  values:\n    service:\n      app:\n{more}        annotations:\n{lines}"
    )


def render_files(*prefixes, **manifests: str) -> dict[str, bytes]:
    files = {"home.yaml": PREFIX} | {
        f"{name}.yaml": text.encode() for name, text in manifests.items()
    }
    for hour, prefix in enumerate(prefixes):
        files |= render_once(files, prefix, hour).files
        assert render_once(files, prefix, hour + 1).files == {}
    return files


def addresses(text: bytes) -> list[str]:
    return [line.split(": ", 1)[1].strip('"') for line in text.decode().splitlines() if IPS in line]


PLACES = {
    "helm values": values(TEN),
    "argo cd": (
        "apiVersion: argoproj.io/v1alpha1\nkind: Application\nmetadata: {name: plex}\nspec:\n"
        f"  source:\n    helm:\n      valuesObject:\n        annotations:\n          {NAME}\n          {TEN}\n"
    ),
    "gateway": (
        "apiVersion: gateway.networking.k8s.io/v1\nkind: Gateway\nmetadata: {name: g}\nspec:\n"
        f"  infrastructure:\n    annotations:\n      {NAME}\n      {TEN}\n"
    ),
    "envoy proxy": (
        "apiVersion: gateway.envoyproxy.io/v1alpha1\nkind: EnvoyProxy\nmetadata: {name: g}\nspec:\n"
        "  provider:\n    kubernetes:\n      envoyService:\n        type: LoadBalancer\n"
        f"        annotations:\n          {NAME}\n          {TEN}\n"
    ),
    "the annotations of another kind": (
        "apiVersion: gateway.networking.k8s.io/v1\nkind: HTTPRoute\nmetadata:\n  name: g\n"
        f"  annotations:\n    {NAME}\n    {TEN}\n"
    ),
    "plain values": f"controller:\n  serviceAnnotations:\n    {NAME}\n    {TEN}\n",
    "in braces": '{"a": {"annotations": {"dynamic-prefix.io/name": "home", "dynamic-prefix.io/suffix": "::f000:0:0:10"}}}\n',
    "an object in a list": (
        "apiVersion: v1\nkind: List\nitems:\n- apiVersion: v1\n  kind: Service\n"
        f"  metadata:\n    name: a\n    annotations:\n      {NAME}\n      {TEN}\n"
    ),
    "below a number": f"80:\n  annotations:\n    {NAME}\n    {TEN}\n",
}


@pytest.mark.parametrize("manifest", PLACES.values(), ids=PLACES)
def test_a_service_follows_wherever_its_annotations_are(manifest: str):
    text = render_files(A, B, it=manifest)["it.yaml"].decode()
    assert text.count('"2001:db8:b:0:f000::10,2001:db8:a:0:f000::10"') == 1
    assert IPS in text
    assert text.count('"2001:db8:b:0:f000::10"') == 2
    assert ALPHA in text
    assert BETA in text


NOT_ANNOTATIONS = {
    "labels": f"kind: Service\napiVersion: v1\nmetadata:\n  name: a\n  labels:\n    {NAME}\n    {TEN}\n",
    "a spec": f"kind: Service\napiVersion: v1\nmetadata:\n  name: a\nspec:\n  {NAME}\n  {TEN}\n",
    "the whole of a document": f"{NAME}\n{TEN}\n",
    "annotations of everything": (
        "apiVersion: kustomize.config.k8s.io/v1beta1\nkind: Kustomization\n"
        f"commonAnnotations:\n  {NAME}\n  {TEN}\n"
    ),
    "no range": f"a:\n  annotations:\n    {NAME}\n    dynamic-prefix.io/address-range: lb\n",
    "text": f"a: |\n  annotations:\n    {NAME}\n    {TEN}\n",
}


@pytest.mark.parametrize("manifest", PLACES.values(), ids=PLACES)
def test_dns_waits_for_its_delay_wherever_the_annotations_are(manifest: str):
    """Make before break: the target moves in a second commit, and alone."""
    files = {
        "home.yaml": PREFIX.replace(b"mode: ha", b"mode: ha, dnsDelay: 90m"),
        "app.yaml": manifest.encode(),
    }
    steps = []
    for hour, prefix in enumerate((A, B, B, B)):
        files |= render_once(files, prefix, hour).files
        steps.append(files["app.yaml"].decode())
    first, during, still, afterwards = steps
    assert "2001:db8:b:0:f000::10,2001:db8:a:0:f000::10" in during
    assert first.count(HERE_A) == during.count(HERE_A) == 3
    assert during == still
    assert afterwards.count(HERE_A) == 1
    assert afterwards.count(HERE_A.replace(":a:", ":b:")) == 3


def test_two_services_of_a_chart_share_an_address_by_their_key():
    alone, shared = (
        values(TEN, key, more="        type: LoadBalancer\n")
        + f"      udp:\n        annotations:\n          {NAME}\n          {TEN}\n          {key}\n"
        for key in ("a: b", "lbipam.cilium.io/sharing-key: web")
    )
    files = {"home.yaml": PREFIX, "app.yaml": alone.encode()}
    assert [problem.code for problem in render_once(files, A).problems] == ["address-taken"]
    files = render_files(A, app=shared)
    assert addresses(files["app.yaml"]) == [HERE_A] * 2


@pytest.mark.parametrize("manifest", NOT_ANNOTATIONS.values(), ids=NOT_ANNOTATIONS)
def test_what_is_no_annotation_of_a_service_is_left_alone(manifest: str):
    assert render_files(A, it=manifest)["it.yaml"].decode() == manifest


def test_a_host_part_is_allocated_by_document_and_path():
    files = render_files(A, it=values(LB), other=values(LB).replace("plex", "jellyfin"))
    first, second = (addresses(files[f"{name}.yaml"]) for name in ("it", "other"))
    assert first != second
    assert first[0].startswith("2001:db8:a:0:f")
    assert render_files(A, it=values(LB))["it.yaml"] == files["it.yaml"]


def test_a_named_service_is_the_same_as_a_manifest_of_that_name():
    manifest = service(LB, name="plex")
    named = values(LB, "dynamic-prefix.io/service: media/plex")
    files = render_files(A, it=named, other=manifest)
    assert addresses(files["it.yaml"]) == addresses(files["other.yaml"])
    short = values(LB, "dynamic-prefix.io/service: plex")
    assert addresses(render_files(A, it=short, other=manifest)["it.yaml"]) == addresses(
        files["other.yaml"]
    )


def test_a_service_in_a_list_has_its_own_name():
    listed = (
        "apiVersion: v1\nkind: List\nitems:\n- apiVersion: v1\n  kind: Service\n"
        f"  metadata:\n    name: plex\n    namespace: media\n    annotations:\n      {NAME}\n      {LB}\n"
    )
    files = render_files(A, it=listed, other=service(LB, name="plex"))
    assert addresses(files["it.yaml"]) == addresses(files["other.yaml"])


@pytest.mark.parametrize("written", ['""', "a/b/c", "-x"])
def test_a_service_that_is_no_name_is_an_error(written: str):
    manifest = values(LB, f'dynamic-prefix.io/service: "{written.strip(chr(34))}"')
    (problem,) = problems(manifest)
    assert problem.code == "invalid-value"
    assert problem.message.startswith("dynamic-prefix.io/service: ")


def problems(*manifests: str):
    files = {"home.yaml": PREFIX} | {
        f"{number}.yaml": text.encode() for number, text in enumerate(manifests)
    }
    return render_once(files, A).problems


FIELDS = {
    "another type": ("        type: ClusterIP\n", ["no-load-balancer"]),
    "a type of something else": ("        type: Recreate\n", []),
    "IPv4 alone": ("        ipFamilies: [IPv4]\n", ["no-ipv6"]),
    "both families": ("        ipFamilyPolicy: PreferDualStack\n", ["ipv4-would-be-lost"]),
    "a class": ("        loadBalancerClass: tailscale\n", ["no-load-balancer"]),
}


@pytest.mark.parametrize(("more", "codes"), FIELDS.values(), ids=FIELDS)
def test_the_fields_beside_annotations_count_as_the_spec_of_the_service(more: str, codes):
    assert [problem.code for problem in problems(values(LB, more=more))] == codes


def test_metallb_is_chosen_by_its_key():
    text = render_files(A, it=values(TEN, "metallb.io/address-pool: x"))["it.yaml"].decode()
    assert 'metallb.io/loadBalancerIPs: "2001:db8:a:0:f000::10"' in text


def test_two_owners_of_a_host_part_are_an_error_with_both_places():
    found = problems(values(TEN), service(TEN))
    assert [problem.code for problem in found] == ["address-taken"]
    assert {"0.yaml", "1.yaml"} == {found[0].place.path, found[0].message.partition("(")[2][:6]}
    shared = "lbipam.cilium.io/sharing-key: one"
    assert not problems(values(TEN, shared), service(TEN, shared))


def test_a_misspelt_annotation_is_reported_where_it_is():
    (found,) = problems(values(TEN, 'dynamic-prefix.io/skip-external-dns: "true"'))
    assert (found.code, found.place.path, found.place.line) == ("unknown-annotation", "0.yaml", 11)


def test_a_wrong_name_holds_the_mapping_back():
    manifest = values(TEN).replace("name: home", "name: hom")
    assert [problem.code for problem in problems(manifest)] == ["unknown-dynamic-prefix"]


def test_a_marker_in_such_annotations_is_refused_where_an_annotation_writes():
    marker = '# {"$dynamicprefix": "home:lb:address:::f000:0:0:20"}'
    manifest = values(TEN, f'{IPS}: ""  {marker}')
    assert [problem.code for problem in problems(manifest)] == ["marker-misplaced"]
