"""The CronJob of the examples, as a real API server reads it: strictly."""

import json

from tests.examples.repositories import build, example, of_kind


def test_an_api_server_takes_it_field_by_field(cluster):
    (cron_job,) = of_kind("CronJob", build(example("cronjob")))
    (namespace,) = of_kind("Namespace", build(example("cronjob")))
    cluster.apply(namespace)
    words = ("create", "--dry-run=server", "--validate=strict", "-o", "json", "-f", "-")
    answer = json.loads(cluster.kubectl(*words, stdin=json.dumps(cron_job)))
    assert answer["spec"]["schedule"] == cron_job["spec"]["schedule"]
    cron_job["spec"]["jobTemplate"]["spec"]["backofLimit"] = 0
    refused = cluster.ask(*words, stdin=json.dumps(cron_job))
    assert 'unknown field "spec.jobTemplate.spec.backofLimit"' in refused.stderr
