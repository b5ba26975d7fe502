"""The CustomResourceDefinition, made of the JSON Schema: one source of truth.

To write it anew: `python -m tests.schemas.crd`.
"""

import json
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

ROOT = Path(__file__).parents[2]
SCHEMA = ROOT / "schemas" / "dynamicprefix_v1alpha1.json"
CRD = ROOT / "schemas" / "dynamicprefixes.crd.yaml"
HEAD = """\
# DynamicPrefix for those who want it in the cluster: `kubectl get dynamicprefixes` then
# shows what the repository says. gitops-prefix itself needs no cluster, and none of this.
# There is no status subresource, so that the status is applied with the rest: it comes from
# Git. The operators' CustomResourceDefinition has the same name and does have one: install only one.
"""
INT64 = (1 << 63) - 1


def definition(schema: dict[str, Any]) -> dict[str, Any]:
    """The CustomResourceDefinition of a schema."""
    columns = {
        "Prefix": (".status.currentPrefix", "string"),
        "Source": (".status.prefixSource", "string"),
        "Age": (".metadata.creationTimestamp", "date"),
    }
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": "dynamicprefixes.dynamic-prefix.io"},
        "spec": {
            "group": "dynamic-prefix.io",
            "names": {
                "kind": "DynamicPrefix",
                "listKind": "DynamicPrefixList",
                "plural": "dynamicprefixes",
                "singular": "dynamicprefix",
                "shortNames": ["dp", "dprefix"],
            },
            "scope": "Cluster",
            "versions": [
                {
                    "name": "v1alpha1",
                    "served": True,
                    "storage": True,
                    "additionalPrinterColumns": [
                        {"name": name, "type": kind, "jsonPath": path}
                        for name, (path, kind) in columns.items()
                    ],
                    "schema": {"openAPIV3Schema": root(schema)},
                }
            ],
        },
    }


def root(schema: dict[str, Any]) -> dict[str, Any]:
    """The whole object; the API server itself answers for what every object has."""
    made = structural(schema)
    made["required"] = ["spec"]
    made["properties"] |= {
        "apiVersion": {"type": "string"},
        "kind": {"type": "string"},
        "metadata": {"type": "object"},
    }
    return made


def structural(schema: dict[str, Any]) -> dict[str, Any]:
    """A structural schema: unknown fields are pruned, lists of named items are maps."""
    left = {"$schema", "title", "additionalProperties"}
    made = {key: value for key, value in schema.items() if key not in left}
    if made.get("maximum", 0) > INT64:
        made["maximum"] = INT64
    if made.get("type") == "integer":
        made["format"] = "int64"
    if "properties" in made:
        made["properties"] = {key: structural(one) for key, one in made["properties"].items()}
    if "items" in made:
        made["items"] = structural(made["items"])
        if "pattern" in made["items"].get("properties", {}).get("name", {}):
            made["x-kubernetes-list-type"] = "map"
            made["x-kubernetes-list-map-keys"] = ["name"]
    return made


def main() -> None:
    """Write the file."""
    yaml = YAML()
    yaml.width = 4096
    yaml.indent(mapping=2, sequence=4, offset=2)
    with CRD.open("w", encoding="utf-8") as file:
        file.write(HEAD)
        yaml.dump(definition(json.loads(SCHEMA.read_text(encoding="utf-8"))), file)


if __name__ == "__main__":
    main()
