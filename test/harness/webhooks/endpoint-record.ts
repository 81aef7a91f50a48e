import type { EndpointRecord } from "../../../src/instances/webhooks/store.ts";

/** An administrator's active endpoint for everything, but for what is said otherwise. */
export const anEndpoint = (differences: Partial<EndpointRecord> = {}): EndpointRecord => ({
  id: "wh_test",
  owner: null,
  lineage: [],
  types: ["*"],
  patterns: ["*"],
  state: "active",
  reason: null,
  activation: 1,
  origin: "https://hooks.example.com",
  hasPath: true,
  headerNames: [],
  description: "",
  format: "standard",
  signatures: ["v1", "v1a"],
  ratePerMinute: null,
  created: 0,
  ...differences,
});
