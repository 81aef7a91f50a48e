import { z } from "@hono/zod-openapi";
import { once } from "../base/once.ts";
import { problem } from "../base/problem.ts";
import { refuse } from "../edge/context.ts";
import { isGenuineEndpoint } from "../edge/genuine-ids.ts";
import { endpointOf } from "../endpoints/stub.ts";
import { eventTypes } from "../ledger/event-kinds.ts";
import { eventSchema, exampleEvent } from "../ledger/event-types.ts";
import { type Route, route } from "./route.ts";
import { EventTypeSchema, JwksSchema } from "./webhook-schemas.ts";

const tag = "Webhooks";

/** Made once: anybody may ask. */
const eventTypesText = once(() =>
  JSON.stringify({
    items: eventTypes.map((type) => ({ type, schema: eventSchema(type), example: exampleEvent(type) })),
  }),
);

/** What the receiver of a webhook reads without a credential. */
export const publicWebhookRoutes: Route[] = [
  route(
    {
      method: "get",
      path: "/v1/webhooks/event-types",
      tag,
      summary: "Every event type with its JSON Schema and an example",
      access: "public",
      answers: {
        200: { description: "In the order of the docs.", schema: z.object({ items: z.array(EventTypeSchema) }) },
      },
    },
    (c) => {
      c.header("cache-control", "public, max-age=3600");
      return c.body(eventTypesText(), 200, { "content-type": "application/json" });
    },
  ),
  route(
    {
      method: "get",
      path: "/v1/webhooks/{id}/jwks.json",
      tag,
      summary: "The endpoint's public keys, for verifying v1a signatures",
      access: "public",
      params: z.object({ id: z.string().max(64) }),
      answers: { 200: { description: "A JWK set; the outgoing key is named <id>.previous.", schema: JwksSchema } },
    },
    async (c, { params: { id } }) => {
      // Only ids that the relay made may open an object: anybody can make up others.
      const found = (await isGenuineEndpoint(c, id)) ? await endpointOf(c.env, id).jwks() : null;
      if (!found) return refuse(c, problem("webhook_not_found"));
      // Short enough for a rotation: most receivers fetch the new key before they get a signature made with it.
      c.header("cache-control", "public, max-age=300");
      return c.json(found, 200);
    },
  ),
];
