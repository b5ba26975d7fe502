"""One table of host parts: annotations, Services, and the HOSTs of markers."""

import pytest

from tests.render.repository import A, B, render_once
from tests.render.services import IPS, PREFIX, TEN, service

TEN_MARKED = "<home:lb:addresses:::f000:0:0:10>"


def marked(text: str) -> str:
    return text.replace("<", '# {"$dynamicprefix": "').replace(">", '"}')


def render_files(*manifests: str, prefix=A, files=None):
    files = {"home.yaml": PREFIX} | {
        f"{number}.yaml": marked(text).encode() for number, text in enumerate(manifests)
    }
    return files, render_once(files, prefix)


TAKEN = {
    "a Service and a marker": (service(TEN), f'x: "" {TEN_MARKED}\n'),
    "two markers of two files": (f'x: "" {TEN_MARKED}\n', 'y: "" <home:address:::f000:0:0:10>\n'),
    "two markers of two documents": (f'x: "" {TEN_MARKED}\n---\ny: "" {TEN_MARKED}\n',),
    "two Services of one chart": (f'a:\n  {IPS}: "" {TEN_MARKED}\nb:\n  {IPS}: "" {TEN_MARKED}\n',),
    "a Service and a marker on another one": (
        service(TEN),
        service(f'{IPS}: "" {TEN_MARKED}', name="b").replace(
            "    dynamic-prefix.io/name: home\n", ""
        ),
    ),
}


@pytest.mark.parametrize("manifests", TAKEN.values(), ids=TAKEN)
def test_two_owners_of_one_address_are_an_error_with_both_places(manifests):
    files, rendering = render_files(*manifests)
    (problem,) = rendering.problems
    assert problem.code == "address-taken"
    second = problem.message.partition("(")[2].partition(")")[0]
    assert second.count(":") == 2
    assert second != str(problem.place)
    assert {second.partition(":")[0], problem.place.path} <= files.keys()


ALIKE = {
    "an address and its DNS target": (
        f'a:\n  {IPS}: "" {TEN_MARKED}\n  target: "" <home:lb:address:::f000:0:0:10>\n',
    ),
    "an address and what repeats it in the document": (
        f'a:\n  {IPS}: "" {TEN_MARKED}\nb:\n  HOST_IP: "" <home:lb:address:::f000:0:0:10>\n',
    ),
    "a marker on the Service itself": (
        service(TEN).replace("spec:\n", f'spec:\n  loadBalancerIP: "" {TEN_MARKED}\n'),
    ),
    "annotations of a chart and a marker on their Service": (
        f"annotations:\n  dynamic-prefix.io/name: home\n  dynamic-prefix.io/service: media/web\n  {TEN}\n",
        service(f'{IPS}: "" {TEN_MARKED}').replace("    dynamic-prefix.io/name: home\n", ""),
    ),
    "a base and its overlay": (
        f'kind: HelmRelease\nmetadata: {{name: a, namespace: b}}\nx: "" {TEN_MARKED}\n',
        f'kind: HelmRelease\nmetadata: {{name: a, namespace: b}}\nx: "" {TEN_MARKED}\n',
    ),
    "one host part in two subnets": (
        'x: "" <home:lb:address:::f000:0:0:10>\n',
        'x: "" <home:low:address:::10>\n',
    ),
    "a Service that is mentioned": (service(TEN), 'x: "" <home:lb:address:@media/web>\n'),
}


@pytest.mark.parametrize("manifests", ALIKE.values(), ids=ALIKE)
def test_one_owner_may_write_its_host_part_twice(manifests):
    assert render_files(*manifests)[1].problems == ()


def value(files, path: str, key: str = "x") -> str:
    lines = files[path].decode().splitlines()
    return next(line.split('"')[1] for line in lines if line.strip().startswith(f"{key}:"))


def test_a_mentioned_service_is_followed():
    files, rendering = render_files(service(TEN), 'x: "" <home:lb:addresses:@media/web>\n')
    files |= rendering.files
    assert value(files, "1.yaml") == "2001:db8:a:0:f000::10"
    files |= render_once(files, B, 1).files
    assert value(files, "1.yaml") == "2001:db8:b:0:f000::10,2001:db8:a:0:f000::10"
    assert render_once(files, B, 2).files == {}


LB = "dynamic-prefix.io/service-address-range: lb"


def test_a_mentioned_service_that_is_allocated_later_has_the_same_host_part():
    mention = 'x: "" <home:lb:address:@media/web>\n'
    _, rendering = render_files("a: 1\n", mention)
    before = value(rendering.files, "1.yaml")
    _, rendering = render_files(service(LB), mention)
    assert value(rendering.files, "1.yaml") == before
    assert value(rendering.files, "0.yaml", IPS) == before
    _, rendering = render_files(service(LB, namespace=""), mention)
    assert value(rendering.files, "1.yaml") == value(rendering.files, "0.yaml", IPS)


def test_allocation_steps_past_the_host_parts_of_markers():
    # The range `two` has two addresses.
    two = "dynamic-prefix.io/service-address-range: two"
    for free, taken in (("::5", "::6"), ("::6", "::5")):
        _, rendering = render_files(service(two), f'x: "" <home:address:{taken}>\n')
        assert rendering.problems == ()
        assert value(rendering.files, "0.yaml", IPS) == f"2001:db8:a{free}"
    _, rendering = render_files(
        service(two), 'x: "" <home:two:address:::5>\ny: "" <home:two:address:::6>\n'
    )
    assert [problem.code for problem in rendering.problems] == ["range-full"]


def test_a_service_outside_of_the_range_of_a_mention_is_an_error():
    _, rendering = render_files(service(TEN), 'x: "" <home:two:address:@media/web>\n')
    assert [(problem.code, problem.place.path) for problem in rendering.problems] == [
        ("edit-refused", "1.yaml")
    ]


def test_a_mention_with_no_address_left_waits():
    taken = 'y: "" <home:two:address:::5>\nz: "" <home:two:address:::6>\n'
    _, rendering = render_files('x: "" <home:two:address:@media/web>\n', taken)
    assert [problem.code for problem in rendering.problems] == ["range-full", "unknown-service"]
    assert "0.yaml" not in rendering.files


@pytest.mark.parametrize("namespace", ["media", ""])
def test_a_mention_of_no_service_is_a_warning_with_the_nearest_name(namespace: str):
    mention = 'x: "" <home:lb:address:@media/webb>\n'
    _, rendering = render_files(service(TEN, namespace=namespace), mention)
    (problem,) = rendering.problems
    assert (problem.code, problem.severity) == ("unknown-service", "warning")
    assert problem.place.path == "1.yaml"
    assert 'Did you mean "media/web"?' in problem.message
    assert "1.yaml" in rendering.files


@pytest.mark.parametrize("host", ["@web", "@media/", "@/web", "@Media/web"])
def test_a_mention_that_is_no_name_is_an_error(host: str):
    _, rendering = render_files(f'x: "" <home:lb:address:{host}>\n')
    assert [problem.code for problem in rendering.problems] == ["marker-host"]
