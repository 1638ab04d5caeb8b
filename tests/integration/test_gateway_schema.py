# SPDX-License-Identifier: Apache-2.0
"""The OpenAPI document of stock-gateway, used as a client's author would: what it allows is
understood, what it forbids is refused by name, and what comes back is as it says."""

import json
import os
import re
import sys

from gateway_case import GatewayTestCase
from stockd_harness import SOURCE_ROOT, RpcError, main, seeded_random, unique

try:
    import jsonschema
except ImportError as missing:
    print(f"skipped: {missing} (python3-jsonschema)")
    sys.exit(77)

OPEN = {"info", "check"}  # what they tell is for people, and grows
QUIET = {"subscribe", "hello", "check", "mirror_take"}  # streams, or not worth a thousand calls
# How the gateway itself refuses a type; the engine says more of what it must be.
GATEWAY_REFUSES = r"must be (a string|a list|a number|true or false|a whole .* 64 bits)$"
ROUNDS = int(os.environ.get("STOCKD_TEST_ROUNDS") or 25)


class SchemaCase(GatewayTestCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.document = cls.gateway.get("/v1/openapi.json").json
        cls.schemas = cls.document["components"]["schemas"]
        cls.methods = {path[4:]: item["post"] for path, item in cls.document["paths"].items()
                       if "post" in item}
        resolver = jsonschema.RefResolver("", cls.document)
        cls.validators = {}
        for name, post in cls.methods.items():
            content = post["responses"]["200"]["content"]
            if "application/json" in content:
                cls.validators[name] = jsonschema.Draft202012Validator(
                    content["application/json"]["schema"], resolver=resolver)
        cls.problem_validator = jsonschema.Draft202012Validator(
            cls.schemas["problem"], resolver=resolver)

    def body_of(self, method):
        schema = self.methods[method]["requestBody"]["content"]["application/json"]["schema"]
        return schema["oneOf"][0]

    def resolved(self, schema):
        while "$ref" in schema:
            schema = self.schemas[schema["$ref"].rsplit("/", 1)[1]]
        return schema


class Document(SchemaCase):
    def test_every_schema_is_one(self):
        for name, schema in self.schemas.items():
            with self.subTest(name):
                jsonschema.Draft202012Validator.check_schema(schema)

    def test_operations_have_names_of_their_own(self):
        ids = [operation["operationId"] for item in self.document["paths"].values()
               for operation in item.values()]
        self.assertEqual(len(ids), len(set(ids)))
        self.assertEqual(set(self.methods), {o for o in ids if o in self.methods})

    def test_it_has_what_the_protocols_page_has(self):
        """Each row of a table of methods in docs/PROTOCOL.md: its parameters and options."""
        with open(os.path.join(SOURCE_ROOT, "docs", "PROTOCOL.md"), encoding="utf-8") as file:
            page = file.read()
        found, among_methods = set(), False
        for line in page.split("\n"):
            among_methods = line.startswith("|") and (among_methods or "| method | params" in line)
            row = re.match(r"\| `(\w+)`(?:, `(\w+)`)? \| `\[(.*?)\]` \|", line)
            if not row or not among_methods:
                continue
            for method in filter(None, row.group(1, 2)):
                found.add(method)
                self.check_row(method, row.group(3))
        self.assertGreater(len(found), 45)
        missing = set(self.methods) - found
        self.assertEqual(missing, set())

    def check_row(self, method, text):
        self.assertTrue(method in self.methods, method)
        body = self.body_of(method)
        options = re.search(r"\{(.*?)\}", text)
        for name in re.findall(r"\w+", options.group(1)) if options else []:
            self.assertIn(name, body["properties"], f"{method}: the page has an option {name}")
        positional = re.sub(r",? *\{.*?\}\??", "", text)
        positional = re.sub(r"\[.*\]", "lines", positional)  # a list of rows is one parameter
        count = len([word for word in positional.split(",") if word.strip()])
        known = [n for n in body["properties"] if n not in self.option_names(method)]
        self.assertEqual(count, len(known), f"{method}: the page has [{text}]; here {known}")

    def option_names(self, method):
        path = os.path.join(SOURCE_ROOT, "tools", "gateway", "methods.def")
        with open(path, encoding="utf-8") as file:
            text = file.read()
        row = re.search(r"METHOD\(%s,(.*?)\)\n" % method, text, re.S).group(1)
        strings = re.findall(r'"((?:[^"\\]|\\.)*)"', row)
        return {re.split(r"[:?|]", word)[0] for word in strings[2].split()}


class Generator:
    """Values that a schema allows, from the words of a small shop."""

    def __init__(self, case, chance):
        self.case, self.chance = case, chance
        self.words = {"sku": ["A", "B", "none", "ü"], "code": ["main", "default", "s1", "none"],
                      "id": [f"i{n}" for n in range(6)], "time": [0, 1, 1800000000000, 2**52],
                      "lsn": [0, 1, 300, 2**63 - 1], "words": ["", "x", "damaged", "Europe/Paris"],
                      "name": ["x", "sales", "stock", "held", "sku", "server"]}

    def value(self, schema):
        chance = self.chance
        if "$ref" in schema:
            name = schema["$ref"].rsplit("/", 1)[1]
            if name in self.words and chance.random() < 0.9:
                return chance.choice(self.words[name])
            return self.value(self.case.schemas[name])
        for key in ("oneOf", "anyOf"):
            if key in schema:
                return self.value(chance.choice(schema[key]))
        if "const" in schema:
            return schema["const"]
        if "enum" in schema:
            return chance.choice(schema["enum"])
        return getattr(self, "a_" + schema.get("type", "null"))(schema)

    def a_null(self, _schema):
        return None

    def a_boolean(self, _schema):
        return self.chance.random() < 0.5

    def a_integer(self, schema):
        low, high = schema.get("minimum", -3), schema.get("maximum", 2**40)
        return self.chance.choice([low, high, min(high, low + self.chance.randrange(10))])

    def a_number(self, schema):
        return self.chance.uniform(schema.get("minimum", -1e3), schema.get("maximum", 1e3))

    def a_string(self, schema):
        if schema.get("format") == "date":
            return "2026-%02d-%02d" % (self.chance.randrange(1, 13), self.chance.randrange(1, 28))
        least = schema.get("minLength", 1 if "pattern" in schema else 0)
        size = self.chance.choice([least, least + 3, schema.get("maxLength", 20)])
        return "".join(self.chance.choices("abcXYZ019", k=size))

    def a_array(self, schema):
        if "prefixItems" in schema:
            count = self.chance.randrange(schema.get("minItems", 0), len(schema["prefixItems"]) + 1)
            return [self.value(s) for s in schema["prefixItems"][:count]]
        return [self.value(schema["items"]) for _ in range(self.chance.randrange(4))]

    def a_object(self, schema):
        required = schema.get("required", [])
        return {name: self.value(s) for name, s in schema.get("properties", {}).items()
                if name in required or self.chance.random() < 0.3}


class Fuzz(SchemaCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        with cls.server.client() as client:
            for sku in ("A", "B", "ü"):
                client.call("receive", unique("r"), sku, "main", 1000)
            client.call("location_set", "s1", {"pickup": True})

    def setUp(self):
        super().setUp()
        self.chance = seeded_random()
        self.generator = Generator(self, self.chance)

    def test_what_the_document_allows(self):
        statuses = {}
        connection = self.gateway.connect()
        self.addCleanup(connection.close)
        for method in sorted(set(self.methods) - QUIET):
            for _ in range(ROUNDS):
                body = self.generator.value(self.body_of(method))
                answer = self.gateway.request("POST", f"/v1/{method}", body,
                                              {"Idempotency-Key": unique("k")}, connection)
                said = f"{method} {json.dumps(body)[:300]}: {answer}"
                statuses[answer.status] = statuses.get(answer.status, 0) + 1
                if answer.status == 200:
                    self.validators[method].validate(answer.json)
                    self.assert_described(method, answer.json)
                    continue
                self.assertLess(answer.status, 500, said)
                self.problem_validator.validate(answer.json)
                if answer.status == 400:
                    self.assertNotRegex(answer.json["detail"], GATEWAY_REFUSES, said)
                    self.assertNotIn("has no parameter", answer.json["detail"], said)
        self.assertGreater(statuses.get(200, 0), sum(statuses.values()) // 5, statuses)
        self.call("ping")

    def assert_described(self, method, result):
        """It has no key that the document does not tell of."""
        content = self.methods[method]["responses"]["200"]["content"]["application/json"]
        schema = self.resolved(content["schema"])
        if method not in OPEN and schema.get("type") == "object":
            self.assertLessEqual(set(result), set(schema["properties"]), method)

    def test_what_the_document_forbids_is_refused_by_name(self):
        wrong = {"string": [5, True, [], {}, 1.5], "integer": ["5", True, [], 1.5, 2**64],
                 "boolean": ["true", 1, []], "number": ["1", [], True], "array": ["a", 5, {}]}
        for method in sorted(set(self.methods) - {"hello"}):
            body = self.body_of(method)
            for name, reference in body["properties"].items():
                schema = self.resolved(reference)
                if "type" not in schema:
                    continue
                for value in wrong[schema["type"]]:
                    if schema["type"] == "object":
                        continue
                    given = {n: self.generator.value(s) for n, s in body["properties"].items()
                             if n in body["required"] or n == "id"}
                    given[name] = value
                    self.problem(self.gateway.post(method, given), 400, "bad_request", name)
            self.problem(self.gateway.post(method, {"surprise": 1}), 400, "bad_request",
                         "surprise")

    def test_the_engine_knows_what_the_document_has(self):
        """Each name, given to the engine itself with a value that no parameter takes."""
        for method in sorted(set(self.methods) - QUIET):
            body = self.body_of(method)
            names = list(body["properties"])
            options = Document.option_names(self, method)
            positional = [n for n in names if n not in options]
            for name in sorted(options):
                params = [self.plain(method, n) for n in positional]
                try:
                    self.client.call(method, *params, {name: {"a": 1}})
                    self.fail(f"{method} took {name} = a map")
                except RpcError as error:
                    self.assertEqual(error.code, "bad_request", f"{method} {name}: {error}")
                    self.assertNotIn("no option", error.message, f"{method} {name}")
                    self.assertIn(name, error.message, f"{method} {name}")

    def plain(self, method, name):
        schema = self.resolved(self.body_of(method)["properties"][name])
        if schema.get("type") == "array":
            row = self.resolved(schema["items"])
            if "oneOf" not in row:
                return ["A"]
            return [[self.word(s) for s in row["oneOf"][0]["prefixItems"]
                     if "anyOf" not in s]]
        return self.word(self.body_of(method)["properties"][name])

    def word(self, schema):
        name = schema["$ref"].rsplit("/", 1)[1]
        known = {"sku": "A", "code": "main", "id": "i", "shelf_kind": "damaged", "name": "stock"}
        return known.get(name, 1 if self.resolved(schema)["type"] == "integer" else "x")


if __name__ == "__main__":
    main()
