import { Ajv2020 } from "ajv/dist/2020.js";
import { expect, it } from "vitest";
import { eventKinds, eventTypes, isEventType } from "../../src/ledger/event-kinds.ts";
import { eventSchema, exampleEvent } from "../../src/ledger/event-types.ts";
import { EVENT_BYTES } from "../../src/ledger/fit.ts";
import { matchesType, parseTypePatterns } from "../../src/ledger/type-pattern.ts";

const promised = `
  backup.created backup.changed backup.deleted backup.ambiguous backup.failed backup.verified backup.suspect backup.overdue
  backup.recovered restore.accepted restore.completed restore.failed restore.unknown approval.requested
  approval.granted approval.denied approval.expired operation.canceled instance.unreachable instance.reachable instance.unauthorized
  instance.store_changed credential.expiring key.expiring key.created key.rotated key.revoked webhook.disabled`;

const ajv = new Ajv2020({ allErrors: true, strict: true, allowUnionTypes: true, formats: { "date-time": rfc3339 } });

function rfc3339(text: string) {
  return /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/.test(text) && !Number.isNaN(Date.parse(text));
}

it("knows every type that receivers were promised", () => {
  for (const type of promised.trim().split(/\s+/)) expect(isEventType(type), type).toBe(true);
  expect(isEventType("toString")).toBe(false);
});

it.each(eventTypes)("%s has a 2020-12 schema that its examples satisfy and foreign data does not", (type) => {
  const schema = eventSchema(type);
  expect(schema.$schema).toBe("https://json-schema.org/draft/2020-12/schema");
  expect(schema.description).toBe(eventKinds[type].summary);
  const valid = ajv.compile(schema);
  const example = exampleEvent(type);
  expect(valid(example), JSON.stringify(valid.errors)).toBe(true);
  const test = exampleEvent(type, { id: "evt_test_1", timestamp: "2026-11-23T00:00:00.000Z", test: true });
  expect(valid(test), JSON.stringify(valid.errors)).toBe(true);
  expect(test.data.test).toBe(true);
  expect(test.seq).toBe(0);
  expect(valid({ ...example, later: "field", data: { ...example.data, later: 1 } }), "new fields break nobody").toBe(
    true,
  );
  expect(valid({ ...example, type: "backup.unheard" })).toBe(false);
  expect(valid({ ...example, id: "evt_with.dot" })).toBe(false);
  // Events of older relays have no `level`.
  const optional = /^approval\.|^operation\./.test(type) ? ["stats"] : ["operation", "stats", "level"];
  for (const field of Object.keys(example.data)) {
    const { [field]: _, ...rest } = example.data as Record<string, unknown>;
    expect(valid({ ...example, data: rest }), `without ${field}`).toBe(optional.includes(field));
  }
  expect(JSON.stringify(example).length).toBeLessThan(EVENT_BYTES);
});

it("matches types by name, by group and all of them", () => {
  expect(matchesType(["*"], "backup.created")).toBe(true);
  expect(matchesType(["backup.*"], "backup.created")).toBe(true);
  expect(matchesType(["backup.*"], "backups.created")).toBe(false);
  expect(matchesType(["restore.*", "backup.created"], "backup.created")).toBe(true);
  expect(matchesType(["restore.*"], "backup.created")).toBe(false);
  expect(matchesType([], "backup.created")).toBe(false);
});

it("refuses a type pattern that could never match", () => {
  const refused = (patterns: string[]) => {
    const read = parseTypePatterns(patterns);
    return read.ok ? "taken" : read.error;
  };
  expect(parseTypePatterns(["backup.*", "backup.*", "key.rotated"])).toEqual({
    ok: true,
    value: ["backup.*", "key.rotated"],
  });
  expect(refused([])).toMatch(/at least one/);
  expect(refused(["backup.creatd"])).toBe('There is no such event type: "backup.creatd".');
  expect(refused(["backups.*"])).toMatch(/no such event type/);
  for (const pattern of ["*.created", "back*", "backup.c*", "**", "backup.*.x"])
    expect(refused([pattern]), pattern).toMatch(/stands for/);
  expect(refused(Array.from({ length: 51 }, () => "*"))).toMatch(/At most 50/);
});
