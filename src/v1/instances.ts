import { z } from "@hono/zod-openapi";
import type { Page } from "../base/page.ts";
import { type Problem, problem } from "../base/problem.ts";
import type { Result } from "../base/result.ts";
import { directoryOf } from "../directory/stub.ts";
import { answerOf } from "../edge/answer-of.ts";
import { administratorName } from "../edge/authenticate.ts";
import { type AppContext, refuse } from "../edge/context.ts";
import { originOf } from "../edge/resolve-caller.ts";
import { actorText } from "../instances/actor.ts";
import type { Place } from "../instances/server/record.ts";
import { DEFAULT_POLL_SECONDS } from "../instances/server/store.ts";
import { InstanceSchema, type InstanceView } from "../instances/server/view.ts";
import { instanceOf } from "../instances/stub.ts";
import { baseUrl } from "../upstream/address.ts";
import { CheckSchema } from "../upstream/check-result.ts";
import { extraHeaders } from "../upstream/extra-headers.ts";
import {
  ChangeInstance,
  CreateInstance,
  credentialIn,
  instanceName,
  NewInstanceSchema,
  NudgeSchema,
} from "./instance-schemas.ts";
import { pageQuery, pageSchema } from "./page.ts";
import { commandRoute, type Route, route } from "./route.ts";

const tag = "Instances";
const params = z.object({ name: instanceName });

export const instanceRoutes: Route[] = [
  route(
    {
      method: "post",
      path: "/v1/instances",
      tag,
      summary: "Register a server; the check must find it usable unless force is true",
      access: "admin",
      body: CreateInstance,
      answers: { 201: { description: "Registered.", schema: NewInstanceSchema } },
    },
    (c, { body }) => register(c, body),
  ),
  route(
    {
      method: "get",
      path: "/v1/instances",
      tag,
      summary: "List the registered servers",
      access: "admin",
      query: z.strictObject(pageQuery),
      answers: { 200: { description: "By name.", schema: pageSchema(InstanceSchema) } },
    },
    async (c, { query }) => {
      const directory = directoryOf(c.env);
      if (c.get("settings").environmentInstance) await answerOf(directory.ensureEnvironment());
      const places = await answerOf<Page<Place>>(directory.list(query.limit, query.cursor));
      const views = await Promise.all(places.items.map((place) => instanceOf(c.env, place.id).describe()));
      return c.json({ items: views.filter((view) => view !== null), nextCursor: places.nextCursor }, 200);
    },
  ),
  commandRoute(
    {
      method: "get",
      path: "/v1/instances/{name}",
      tag,
      summary: "Read one server",
      command: "instance.read",
      params,
      answers: { 200: { description: "The instance.", schema: InstanceSchema } },
    },
    () => ({}),
  ),
  route(
    {
      method: "patch",
      path: "/v1/instances/{name}",
      tag,
      summary: "Change a server; a changed address needs the credential again",
      command: "instance.change",
      params,
      body: ChangeInstance,
      answers: { 200: { description: "The instance as it is now.", schema: InstanceSchema } },
    },
    async (c, { body }, { caller, ask }) => {
      const resolved = await caller();
      if (!resolved.ok) return refuse(c, resolved.error);
      const url = body.url === undefined ? null : baseUrl(body.url, c.get("settings").privateNetwork);
      if (url && !url.ok) return refuse(c, url.error);
      const headers = body.headers === undefined ? null : extraHeaders(body.headers ?? {});
      if (headers && !headers.ok) return refuse(c, headers.error);
      const changed = await ask("instance.change", {
        ...(url ? { url: url.value } : {}),
        ...(body.credential ? { credential: credentialIn(body.credential) } : {}),
        ...(headers ? { headers: headers.value } : {}),
        ...(body.pollSeconds === undefined ? {} : { pollSeconds: body.pollSeconds ?? DEFAULT_POLL_SECONDS }),
        ...(body.expect === undefined ? {} : { expect: body.expect }),
        ...(body.verify === undefined ? {} : { verify: body.verify }),
        force: body.force ?? false,
      });
      return changed.ok ? c.json(changed.value, 200) : refuse(c, changed.error);
    },
  ),
  route(
    {
      method: "delete",
      path: "/v1/instances/{name}",
      tag,
      summary: "Remove a server with its keys, ledger and endpoints",
      access: "admin",
      params,
      query: z.strictObject({ confirm: z.string().optional() }),
      answers: { 204: { description: "Removed." } },
    },
    async (c, { params, query }) => {
      const { name } = params;
      if (name === "default" && c.get("settings").environmentInstance)
        return refuse(c, problem("configured_by_environment"));
      if (query.confirm !== name) return refuse(c, problem("confirmation_required"));
      const removed = (await directoryOf(c.env).remove(name, await administrator(c))) as Result<null, Problem>;
      return removed.ok ? c.body(null, 204) : refuse(c, removed.error);
    },
  ),
  commandRoute(
    {
      method: "post",
      path: "/v1/instances/{name}/check",
      tag,
      summary: "Look at the server now; a bad finding is an answer, not an error",
      command: "instance.check",
      params,
      answers: { 200: { description: "What was found.", schema: CheckSchema } },
    },
    () => ({}),
  ),
  commandRoute(
    {
      method: "post",
      path: "/v1/instances/{name}/nudge/rotate",
      tag,
      summary: "A new nudge secret; the old one ends at once",
      command: "instance.rotateNudge",
      params,
      answers: { 200: { description: "The address and the new secret, shown once.", schema: NudgeSchema } },
    },
    () => ({}),
    (c, { place, secret }) => c.json(nudgeOf(c, place, secret), 200),
  ),
];

/** Who removes an instance, for the row that stays of it. */
async function administrator(c: AppContext) {
  const name = await administratorName(c);
  return { actor: actorText({ kind: "admin", ...(name ? { name } : {}) }), ...originOf(c) };
}

/** Reserves the name, then registers the server; a server that is refused leaves nothing behind. */
async function register(c: AppContext, body: z.output<typeof CreateInstance>): Promise<Response> {
  const settings = c.get("settings");
  const url = baseUrl(body.url, settings.privateNetwork);
  if (!url.ok) return refuse(c, url.error);
  const headers = extraHeaders(body.headers ?? {});
  if (!headers.ok) return refuse(c, headers.error);
  const directory = directoryOf(c.env);
  if (settings.environmentInstance) await answerOf(directory.ensureEnvironment());
  const place = (await directory.begin(body.name)) as Result<Place, Problem>;
  if (!place.ok) return refuse(c, place.error);
  const registered = (await instanceOf(c.env, place.value.id).register(
    place.value,
    {
      name: body.name,
      url: url.value,
      credential: credentialIn(body.credential),
      headers: headers.value,
      pollSeconds: body.pollSeconds ?? DEFAULT_POLL_SECONDS,
      expect: body.expect ?? null,
      verify: body.verify ?? true,
    },
    {
      force: body.force ?? false,
      requestId: c.get("requestId"),
      userAgent: c.req.header("user-agent") ?? "",
      administrator: await administratorName(c),
    },
  )) as Result<{ view: InstanceView; nudgeSecret: string }, Problem>;
  if (!registered.ok) {
    await directory.abandon(body.name);
    return refuse(c, registered.error);
  }
  await directory.activate(body.name);
  const nudge = nudgeOf(c, place.value, registered.value.nudgeSecret);
  return c.json({ ...registered.value.view, nudge }, 201);
}

const UNADDRESSED = "PUBLIC_URL is not set: put the address at which the server reaches the relay before url.";

/** Others store this address, so it is made of PUBLIC_URL, never of the Host header, which a caller chooses (SECURITY 26). */
function nudgeOf(c: AppContext, place: Pick<Place, "id" | "tag">, secret: string): z.infer<typeof NudgeSchema> {
  const { publicUrl } = c.get("settings");
  const url = `${publicUrl ?? ""}/v1/nudge/${place.id}${place.tag}`;
  return publicUrl === null ? { url, secret, hint: UNADDRESSED } : { url, secret };
}
