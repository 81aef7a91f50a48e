import type { Operation } from "../../src/operations/operation.ts";

/** An operation as it is stored: a restore of `a.zip` that a key asked for and that waits in line. */
export const operation = (changes: Partial<Operation> = {}): Operation => ({
  id: "op_1",
  kind: "restore",
  state: "queued",
  target: { key: "a.zip" },
  steps: [],
  actor: { kind: "key", id: "k1", principal: "ada" },
  requested: Date.parse("2026-11-22T10:00:00Z"),
  started: null,
  finished: null,
  error: null,
  result: null,
  approval: null,
  binding: null,
  data: null,
  ...changes,
});
