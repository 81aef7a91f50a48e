import { z } from "@hono/zod-openapi";
import { type Problem, problem } from "../base/problem.ts";
import { ask, perform } from "../edge/ask.ts";
import { type AppContext, refuse } from "../edge/context.ts";
import { isGenuineEndpoint, makeEndpointId } from "../edge/genuine-ids.ts";
import { resolveCaller } from "../edge/resolve-caller.ts";
import { AttemptSchema, TestedSchema } from "../endpoints/attempt-view.ts";
import { addressPolicyAt } from "../endpoints/net.ts";
import { endpointOf } from "../endpoints/stub.ts";
import { MadeWebhookSchema, type ReplayFrom, WebhookSchema } from "../instances/webhooks/view.ts";
import { type EventType, eventTypes, isEventType } from "../ledger/event-kinds.ts";
import { eventSchema, exampleEvent } from "../ledger/event-types.ts";
import { readAddress } from "../webhooks/address.ts";
import { page, pageQuery, type Relay, route, serve } from "./route.ts";
import {
  ChangeWebhook,
  CreateWebhook,
  EventTypeSchema,
  JwksSchema,
  ReplayWebhook,
  RotateWebhook,
  TestWebhook,
} from "./webhook-schemas.ts";

const one = z.object({ id: z.string().max(64) });
const tag = "Webhooks";
/** For how long the old secret and key pair sign as well, unless asked otherwise. */
const OVERLAP_SECONDS = 86_400;

const types = route({
  method: "get",
  path: "/v1/webhooks/event-types",
  tag,
  summary: "Every event type with its JSON Schema and an example",
  scope: "public",
  answers: { 200: { description: "In the order of the docs.", schema: z.object({ items: z.array(EventTypeSchema) }) } },
});
const keys = route({
  method: "get",
  path: "/v1/webhooks/{id}/jwks.json",
  tag,
  summary: "The endpoint's public keys, for verifying v1a signatures",
  scope: "public",
  params: one,
  answers: { 200: { description: "A JWK set; the outgoing key is named <id>.previous.", schema: JwksSchema } },
});
const create = route({
  method: "post",
  path: "/v1/webhooks",
  tag,
  summary: "Make an endpoint; its secret is shown only here. Needs events:read as well",
  scope: "webhooks:write",
  body: CreateWebhook,
  answers: { 201: { description: "The endpoint, with its secret.", schema: MadeWebhookSchema } },
});
const list = route({
  method: "get",
  path: "/v1/webhooks",
  tag,
  summary: "List the endpoints that the caller and the keys below it made",
  scope: "webhooks:read",
  query: z.strictObject(pageQuery),
  answers: { 200: { description: "By id.", schema: page(WebhookSchema) } },
});
const read = route({
  method: "get",
  path: "/v1/webhooks/{id}",
  tag,
  summary: "Read one endpoint as it stands",
  scope: "webhooks:read",
  params: one,
  answers: { 200: { description: "The endpoint.", schema: WebhookSchema } },
});
const change = route({
  method: "patch",
  path: "/v1/webhooks/{id}",
  tag,
  summary: "Change an endpoint; another scheme, host or port drops its headers and makes a new secret",
  scope: "webhooks:write",
  params: one,
  body: ChangeWebhook,
  answers: { 200: { description: "The endpoint, with its secret when it is new.", schema: MadeWebhookSchema } },
});
const remove = route({
  method: "delete",
  path: "/v1/webhooks/{id}",
  tag,
  summary: "Delete an endpoint and everything that waits for it",
  scope: "webhooks:write",
  params: one,
  answers: { 204: { description: "Deleted." } },
});
const action = (name: "pause" | "resume", summary: string) =>
  route({
    method: "post",
    path: `/v1/webhooks/{id}/${name}`,
    tag,
    summary,
    scope: "webhooks:write",
    params: one,
    answers: { 200: { description: "The endpoint as it is now.", schema: WebhookSchema } },
  });
const pause = action("pause", "Send nothing until it is resumed; nothing is lost meanwhile");
const resume = action("resume", "Go on, from where it stood");
const rotate = route({
  method: "post",
  path: "/v1/webhooks/{id}/rotate",
  tag,
  summary: "A new secret and key pair; the old ones sign as well for 24 h unless asked otherwise",
  scope: "webhooks:write",
  params: one,
  body: RotateWebhook,
  bodyOptional: true,
  answers: { 201: { description: "The endpoint, with its new secret.", schema: MadeWebhookSchema } },
});
const test = route({
  method: "post",
  path: "/v1/webhooks/{id}/test",
  tag,
  summary: "Send a signed example and tell what the receiver said",
  scope: "webhooks:write",
  params: one,
  body: TestWebhook,
  bodyOptional: true,
  answers: { 200: { description: "What came of it, success or not.", schema: TestedSchema } },
});
const attempts = route({
  method: "get",
  path: "/v1/webhooks/{id}/attempts",
  tag,
  summary: "What was tried, newest first: the last thousand or so",
  scope: "webhooks:read",
  params: one,
  query: z.strictObject(pageQuery),
  answers: { 200: { description: "Successes and failures.", schema: page(AttemptSchema) } },
});
const replay = route({
  method: "post",
  path: "/v1/webhooks/{id}/replay",
  tag,
  summary: "Send again: everything from a seq or a time on, or one event",
  scope: "webhooks:write",
  params: one,
  body: ReplayWebhook,
  answers: { 202: { description: "The endpoint; what is sent again keeps its webhook-id.", schema: WebhookSchema } },
});

export function mountWebhooks(app: Relay): void {
  serve(app, types, (c) => {
    c.header("cache-control", "public, max-age=3600");
    const items = eventTypes.map((type) => ({ type, schema: eventSchema(type), example: exampleEvent(type) }));
    return c.json({ items }, 200);
  });
  serve(app, keys, async (c, input) => publicKeys(c, input.params.id));
  serve(app, create, async (c, input) => {
    const resolved = await resolveCaller(c);
    if (!resolved.ok) return refuse(c, resolved.error);
    const back = pointsToSelf(c, input.body.url);
    if (back) return refuse(c, back);
    const id = await makeEndpointId(c, resolved.value.instanceId);
    const { secret, ...request } = input.body;
    const made = await perform(c, resolved.value, { do: "webhooks.create", id, request, secret: secret ?? null });
    return made.ok ? c.json(made.value, 201) : refuse(c, made.error);
  });
  serve(app, list, async (c, input) => {
    const { limit, cursor } = input.query;
    const listed = await ask(c, { do: "webhooks.list", limit, cursor: cursor ?? null });
    return listed.ok ? c.json(listed.value, 200) : refuse(c, listed.error);
  });
  serve(app, read, async (c, input) => {
    const found = await ask(c, { do: "webhooks.read", id: input.params.id });
    return found.ok ? c.json(found.value, 200) : refuse(c, found.error);
  });
  serve(app, change, async (c, input) => {
    const resolved = await resolveCaller(c);
    if (!resolved.ok) return refuse(c, resolved.error);
    const back = input.body.url === undefined ? null : pointsToSelf(c, input.body.url);
    if (back) return refuse(c, back);
    const command = { do: "webhooks.change", id: input.params.id, request: input.body } as const;
    const changed = await perform(c, resolved.value, command);
    return changed.ok ? c.json(changed.value, 200) : refuse(c, changed.error);
  });
  serve(app, remove, async (c, input) => {
    const removed = await ask(c, { do: "webhooks.delete", id: input.params.id });
    return removed.ok ? c.body(null, 204) : refuse(c, removed.error);
  });
  serve(app, pause, async (c, input) => {
    const paused = await ask(c, { do: "webhooks.pause", id: input.params.id });
    return paused.ok ? c.json(paused.value, 200) : refuse(c, paused.error);
  });
  serve(app, resume, async (c, input) => {
    const resumed = await ask(c, { do: "webhooks.resume", id: input.params.id });
    return resumed.ok ? c.json(resumed.value, 200) : refuse(c, resumed.error);
  });
  serve(app, rotate, async (c, input) => {
    const { secret = null, overlapSeconds = OVERLAP_SECONDS } = input.body ?? {};
    const rotated = await ask(c, { do: "webhooks.rotate", id: input.params.id, secret, overlapSeconds });
    return rotated.ok ? c.json(rotated.value, 201) : refuse(c, rotated.error);
  });
  serve(app, test, async (c, input) => {
    const type = input.body?.type ?? "backup.created";
    if (!isEventType(type)) return refuse(c, unknownType);
    const tested = await ask(c, { do: "webhooks.test", id: input.params.id, type: type as EventType });
    if (!tested.ok) return refuse(c, tested.error);
    const { status, ms, reason, snippet } = tested.value;
    return c.json({ outcome: reason ? "failed" : "delivered", status, latencyMs: ms, reason, snippet }, 200);
  });
  serve(app, attempts, async (c, input) => {
    const { limit, cursor } = input.query;
    const listed = await ask(c, { do: "webhooks.attempts", id: input.params.id, limit, cursor: cursor ?? null });
    return listed.ok ? c.json(listed.value, 200) : refuse(c, listed.error);
  });
  serve(app, replay, async (c, input) => {
    const { body } = input;
    const from: ReplayFrom = "time" in body ? { time: Date.parse(body.time) } : body;
    const replayed = await ask(c, { do: "webhooks.replay", id: input.params.id, from });
    return replayed.ok ? c.json(replayed.value, 202) : refuse(c, replayed.error);
  });
}

const unknownType = problem("invalid_request", {
  data: { type: { code: "validation_invalid_value", message: "There is no such event type." } },
});

/** The refusal of an address that is the relay's own as its callers see it; the instance cannot know that. */
function pointsToSelf(c: AppContext, url: string): Problem | null {
  const address = readAddress(url, addressPolicyAt(c.get("settings"), c.req.url));
  // Whatever else is wrong with it is told behind the door.
  if (address.ok || address.error.rule !== "own") return null;
  return problem("invalid_request", { data: { url: { code: "address_own", message: address.error.message } } });
}

/** An id that the relay did not make opens no object. */
async function publicKeys(c: AppContext, id: string): Promise<Response> {
  const found = (await isGenuineEndpoint(c, id)) ? await endpointOf(c.env, id).jwks() : null;
  if (!found) return refuse(c, problem("webhook_not_found"));
  // Short enough for a rotation: the new key is published before most receivers see its first signature.
  c.header("cache-control", "public, max-age=300");
  return c.json(found, 200);
}
