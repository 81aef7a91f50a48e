import { z } from "@hono/zod-openapi";
import { type Problem, problem } from "../base/problem.ts";
import { type AppContext, refuse } from "../edge/context.ts";
import { makeEndpointId } from "../edge/genuine-ids.ts";
import { AttemptSchema, TestedSchema } from "../endpoints/attempt-view.ts";
import { addressPolicyAt } from "../endpoints/net.ts";
import { EndpointSchema, MadeEndpointSchema } from "../instances/webhooks/view.ts";
import { isEventType } from "../ledger/event-kinds.ts";
import { readAddress } from "../webhooks/address.ts";
import { pageQuery, pageSchema } from "./page.ts";
import { commandRoute, type Route, route } from "./route.ts";
import { ChangeWebhook, CreateWebhook, ReplayWebhook, RotateWebhook, TestWebhook } from "./webhook-schemas.ts";

const tag = "Webhooks";
const params = z.object({ id: z.string().max(64) });
/** For how long the old secret and key pair sign as well, unless the request says otherwise. */
const OVERLAP_SECONDS = 86_400;

const pauseOrResume = (verb: "pause" | "resume", summary: string): Route =>
  commandRoute(
    {
      method: "post",
      path: `/v1/webhooks/{id}/${verb}`,
      tag,
      summary,
      command: `webhooks.${verb}`,
      params,
      answers: { 200: { description: "The endpoint as it is now.", schema: EndpointSchema } },
    },
    ({ params }) => params,
  );

export const webhookRoutes: Route[] = [
  route(
    {
      method: "post",
      path: "/v1/webhooks",
      tag,
      summary: "Make an endpoint; its secret is shown only here. Needs events:read as well",
      command: "webhooks.create",
      body: CreateWebhook,
      answers: { 201: { description: "The endpoint, with its secret.", schema: MadeEndpointSchema } },
    },
    async (c, { body: { secret = null, ...request } }, { caller, ask }) => {
      const resolved = await caller();
      if (!resolved.ok) return refuse(c, resolved.error);
      const ownAddress = refusalOfOwnAddress(c, request.url);
      if (ownAddress) return refuse(c, ownAddress);
      const id = await makeEndpointId(c, resolved.value.instanceId);
      const made = await ask("webhooks.create", { id, request, secret });
      return made.ok ? c.json(made.value, 201) : refuse(c, made.error);
    },
  ),
  commandRoute(
    {
      method: "get",
      path: "/v1/webhooks",
      tag,
      summary: "List the endpoints that the caller and the keys below it made",
      command: "webhooks.list",
      query: z.strictObject(pageQuery),
      answers: { 200: { description: "By id.", schema: pageSchema(EndpointSchema) } },
    },
    ({ query }) => query,
  ),
  commandRoute(
    {
      method: "get",
      path: "/v1/webhooks/{id}",
      tag,
      summary: "Read one endpoint as it stands",
      command: "webhooks.read",
      params,
      answers: { 200: { description: "The endpoint.", schema: EndpointSchema } },
    },
    ({ params }) => params,
  ),
  route(
    {
      method: "patch",
      path: "/v1/webhooks/{id}",
      tag,
      summary: "Change an endpoint; another scheme, host or port drops its headers and makes a new secret",
      command: "webhooks.change",
      params,
      body: ChangeWebhook,
      answers: { 200: { description: "The endpoint, with its secret when it is new.", schema: MadeEndpointSchema } },
    },
    async (c, { params, body: request }, { caller, ask }) => {
      const resolved = await caller();
      if (!resolved.ok) return refuse(c, resolved.error);
      const ownAddress = request.url === undefined ? null : refusalOfOwnAddress(c, request.url);
      if (ownAddress) return refuse(c, ownAddress);
      const changed = await ask("webhooks.change", { ...params, request });
      return changed.ok ? c.json(changed.value, 200) : refuse(c, changed.error);
    },
  ),
  commandRoute(
    {
      method: "delete",
      path: "/v1/webhooks/{id}",
      tag,
      summary: "Delete an endpoint and everything that waits for it",
      command: "webhooks.delete",
      params,
      answers: { 204: { description: "Deleted." } },
    },
    ({ params }) => params,
  ),
  pauseOrResume("pause", "Send nothing until it is resumed; nothing is lost meanwhile"),
  pauseOrResume("resume", "Go on, from where it stood"),
  commandRoute(
    {
      method: "post",
      path: "/v1/webhooks/{id}/rotate",
      tag,
      summary: "A new secret and key pair; the old ones sign as well for 24 h unless asked otherwise",
      command: "webhooks.rotate",
      params,
      body: RotateWebhook,
      bodyOptional: true,
      answers: { 201: { description: "The endpoint, with its new secret.", schema: MadeEndpointSchema } },
    },
    ({ params, body: { secret = null, overlapSeconds = OVERLAP_SECONDS } = {} }) => ({
      ...params,
      secret,
      overlapSeconds,
    }),
  ),
  route(
    {
      method: "post",
      path: "/v1/webhooks/{id}/test",
      tag,
      summary: "Send a signed example and tell what the receiver said",
      command: "webhooks.test",
      params,
      body: TestWebhook,
      bodyOptional: true,
      answers: { 200: { description: "What came of it, success or not.", schema: TestedSchema } },
    },
    async (c, { params, body }, { ask }) => {
      const type = body?.type ?? "backup.created";
      if (!isEventType(type)) return refuse(c, unknownType);
      const tested = await ask("webhooks.test", { ...params, type });
      if (!tested.ok) return refuse(c, tested.error);
      const { status, ms, reason, snippet } = tested.value;
      return c.json({ outcome: reason ? "failed" : "delivered", status, latencyMs: ms, reason, snippet }, 200);
    },
  ),
  commandRoute(
    {
      method: "get",
      path: "/v1/webhooks/{id}/attempts",
      tag,
      summary: "What was tried, newest first: the last thousand or so",
      command: "webhooks.attempts",
      params,
      query: z.strictObject(pageQuery),
      answers: { 200: { description: "Successes and failures.", schema: pageSchema(AttemptSchema) } },
    },
    ({ params, query }) => ({ ...params, ...query }),
  ),
  commandRoute(
    {
      method: "post",
      path: "/v1/webhooks/{id}/replay",
      tag,
      summary: "Send again: everything from a seq or a time on, or one event",
      command: "webhooks.replay",
      params,
      body: ReplayWebhook,
      answers: {
        202: { description: "The endpoint; what is sent again keeps its webhook-id.", schema: EndpointSchema },
      },
    },
    ({ params, body }) => ({ ...params, from: "time" in body ? { time: Date.parse(body.time) } : body }),
  ),
];

const unknownType = problem("invalid_request", {
  data: { type: { code: "validation_invalid_value", message: "There is no such event type." } },
});

/**
 * The refusal of a receiver's address that is the relay's own. It is checked here because the instance does not know by
 * which address the relay was called; everything else about an address the instance checks.
 */
function refusalOfOwnAddress(c: AppContext, url: string): Problem | null {
  const address = readAddress(url, addressPolicyAt(c.get("settings"), c.req.url));
  if (address.ok || address.error.rule !== "own") return null;
  return problem("invalid_request", { data: { url: { code: "address_own", message: address.error.message } } });
}
