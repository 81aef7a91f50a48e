import { z } from "@hono/zod-openapi";
import { type Problem, problem } from "../base/problem.ts";
import type { Result } from "../base/result.ts";
import { directoryOf } from "../directory/stub.ts";
import { admitAdmin, perform } from "../edge/ask.ts";
import { type AppContext, refuse } from "../edge/context.ts";
import { resolveCaller } from "../edge/resolve-caller.ts";
import type { Place } from "../instances/server/record.ts";
import { InstanceSchema, type InstanceView } from "../instances/server/view.ts";
import { instanceOf } from "../instances/stub.ts";
import { ExpectationSchema } from "../observing/expectation.ts";
import { baseUrl } from "../upstream/address.ts";
import { CheckSchema } from "../upstream/check-result.ts";
import { extraHeaders } from "../upstream/extra-headers.ts";
import { page, pageQuery, type Relay, route, serve } from "./route.ts";

const name = z.string().regex(/^[a-z][a-z0-9-]{0,62}$/);
const credential = z.union([
  z.strictObject({ token: z.string().min(1).max(4096) }),
  z.strictObject({ email: z.string().min(3).max(255), password: z.string().min(1).max(255) }),
]);
const headers = z.record(z.string(), z.string());
const pollSeconds = z.number().int().min(15).max(86_400);

const NudgeSchema = z.object({ url: z.string(), secret: z.string() }).meta({ id: "Nudge" });

const NewInstanceSchema = z.intersection(InstanceSchema, z.object({ nudge: NudgeSchema })).meta({ id: "NewInstance" });

const named = z.object({ name });

const create = route({
  method: "post",
  path: "/v1/instances",
  tag: "Instances",
  summary: "Register a server; the check must find it usable unless force is true",
  scope: "admin",
  body: z.strictObject({
    name,
    url: z.string().min(1).max(2048),
    credential,
    headers: headers.optional(),
    pollSeconds: pollSeconds.optional(),
    expect: ExpectationSchema.optional(),
    verify: z.boolean().optional(),
    force: z.boolean().optional(),
  }),
  answers: {
    201: { description: "Registered.", schema: NewInstanceSchema },
  },
});
const list = route({
  method: "get",
  path: "/v1/instances",
  tag: "Instances",
  summary: "List the registered servers",
  scope: "admin",
  query: z.strictObject(pageQuery),
  answers: { 200: { description: "By name.", schema: page(InstanceSchema) } },
});
const read = route({
  method: "get",
  path: "/v1/instances/{name}",
  tag: "Instances",
  summary: "Read one server",
  scope: "admin",
  params: named,
  answers: { 200: { description: "The instance.", schema: InstanceSchema } },
});
const change = route({
  method: "patch",
  path: "/v1/instances/{name}",
  tag: "Instances",
  summary: "Change a server; a changed address needs the credential again",
  scope: "admin",
  params: named,
  body: z.strictObject({
    url: z.string().min(1).max(2048).optional(),
    credential: credential.optional(),
    headers: headers.nullable().optional(),
    pollSeconds: pollSeconds.nullable().optional(),
    expect: ExpectationSchema.nullable().optional(),
    verify: z.boolean().optional(),
    force: z.boolean().optional(),
  }),
  answers: { 200: { description: "The instance as it is now.", schema: InstanceSchema } },
});
const remove = route({
  method: "delete",
  path: "/v1/instances/{name}",
  tag: "Instances",
  summary: "Remove a server with its keys, ledger and endpoints",
  scope: "admin",
  params: named,
  query: z.strictObject({ confirm: z.string().optional() }),
  answers: { 204: { description: "Removed." } },
});
const check = route({
  method: "post",
  path: "/v1/instances/{name}/check",
  tag: "Instances",
  summary: "Look at the server now; a bad finding is an answer, not an error",
  scope: "admin",
  params: named,
  answers: { 200: { description: "What was found.", schema: CheckSchema } },
});
const rotateNudge = route({
  method: "post",
  path: "/v1/instances/{name}/nudge/rotate",
  tag: "Instances",
  summary: "A new nudge secret; the old one ends at once",
  scope: "admin",
  params: named,
  answers: { 200: { description: "The address and the new secret, shown once.", schema: NudgeSchema } },
});

const asCredential = (given: z.infer<typeof credential>) =>
  "token" in given
    ? ({ kind: "token", token: given.token } as const)
    : ({ kind: "password", email: given.email, password: given.password } as const);

export function mountInstances(app: Relay): void {
  serve(app, create, async (c, input) => {
    const admitted = await admitAdmin(c);
    if (!admitted.ok) return refuse(c, admitted.error);
    const body = input.body;
    const settings = c.get("settings");
    const url = baseUrl(body.url, settings.privateNetwork);
    if (!url.ok) return refuse(c, url.error);
    const headers = extraHeaders(body.headers ?? {});
    if (!headers.ok) return refuse(c, headers.error);
    const directory = directoryOf(c.env);
    if (settings.environmentInstance) await directory.ensureEnvironment();
    const place = (await directory.begin(body.name)) as Result<Place, Problem>;
    if (!place.ok) return refuse(c, place.error);
    const object = instanceOf(c.env, place.value.id);
    const registered = (await object.register(
      place.value,
      {
        name: body.name,
        url: url.value,
        credential: asCredential(body.credential),
        headers: headers.value,
        pollSeconds: body.pollSeconds ?? 120,
        expect: body.expect ?? null,
        verify: body.verify ?? true,
      },
      { force: body.force ?? false, requestId: c.get("requestId"), userAgent: c.req.header("user-agent") ?? "" },
    )) as Result<{ view: InstanceView; nudgeSecret: string }, Problem>;
    if (!registered.ok) {
      await directory.abandon(body.name);
      return refuse(c, registered.error);
    }
    await directory.activate(body.name);
    const nudge = { url: nudgeUrl(c, place.value), secret: registered.value.nudgeSecret };
    return c.json({ ...registered.value.view, nudge }, 201);
  });

  serve(app, list, async (c, input) => {
    const admitted = await admitAdmin(c);
    if (!admitted.ok) return refuse(c, admitted.error);
    const { limit, cursor } = input.query;
    const directory = directoryOf(c.env);
    if (c.get("settings").environmentInstance) await directory.ensureEnvironment();
    const places = await directory.list(limit, cursor ?? null);
    const views = await Promise.all(places.items.map((place) => instanceOf(c.env, place.id).describe()));
    return c.json({ items: views.filter((view) => view !== null), nextCursor: places.nextCursor }, 200);
  });

  serve(app, read, async (c) => {
    const resolved = await ofPath(c);
    const answer = resolved.ok ? await perform(c, resolved.value, { do: "instance.read" }) : resolved;
    return answer.ok ? c.json(answer.value, 200) : refuse(c, answer.error);
  });

  serve(app, change, async (c, input) => {
    const resolved = await ofPath(c);
    if (!resolved.ok) return refuse(c, resolved.error);
    const body = input.body;
    const url = body.url === undefined ? null : baseUrl(body.url, c.get("settings").privateNetwork);
    if (url && !url.ok) return refuse(c, url.error);
    const headers = body.headers === undefined ? null : extraHeaders(body.headers ?? {});
    if (headers && !headers.ok) return refuse(c, headers.error);
    const answer = await perform(c, resolved.value, {
      do: "instance.change",
      ...(url ? { url: url.value } : {}),
      ...(body.credential ? { credential: asCredential(body.credential) } : {}),
      ...(headers ? { headers: headers.value } : {}),
      ...(body.pollSeconds === undefined ? {} : { pollSeconds: body.pollSeconds ?? 120 }),
      ...(body.expect === undefined ? {} : { expect: body.expect }),
      ...(body.verify === undefined ? {} : { verify: body.verify }),
      force: body.force ?? false,
    });
    return answer.ok ? c.json(answer.value, 200) : refuse(c, answer.error);
  });

  serve(app, remove, async (c, input) => {
    const admitted = await admitAdmin(c);
    if (!admitted.ok) return refuse(c, admitted.error);
    const { name } = input.params;
    if (name === "default" && c.get("settings").environmentInstance)
      return refuse(c, problem("configured_by_environment"));
    if (input.query.confirm !== name) return refuse(c, problem("confirmation_required"));
    const removed = (await directoryOf(c.env).remove(name)) as Result<null, Problem>;
    return removed.ok ? c.body(null, 204) : refuse(c, removed.error);
  });

  serve(app, check, async (c) => {
    const resolved = await ofPath(c);
    const answer = resolved.ok ? await perform(c, resolved.value, { do: "instance.check" }) : resolved;
    return answer.ok ? c.json(answer.value, 200) : refuse(c, answer.error);
  });

  serve(app, rotateNudge, async (c) => {
    const resolved = await ofPath(c);
    const answer = resolved.ok ? await perform(c, resolved.value, { do: "instance.rotateNudge" }) : resolved;
    if (!answer.ok) return refuse(c, answer.error);
    return c.json({ url: nudgeUrl(c, answer.value.place), secret: answer.value.secret }, 200);
  });
}

/** The administrator asking the instance that the path names. */
async function ofPath(c: AppContext) {
  const admitted = await admitAdmin(c);
  return admitted.ok ? resolveCaller(c, { instanceName: c.req.param("name") ?? "" }) : admitted;
}

/** Only PUBLIC_URL is put into what people store: the Host header is the caller's own text (SECURITY 26). */
const nudgeUrl = (c: AppContext, place: Pick<Place, "id" | "tag">): string =>
  `${c.get("settings").publicUrl ?? ""}/v1/nudge/${place.id}${place.tag}`;
