import { randomBytes } from "node:crypto";
import { scopes } from "../../../src/access/scope.ts";
import type { Key, Stage } from "./run.ts";

export const everyScope = [...scopes];

type Described = { paths: Record<string, Record<string, unknown>> };
export type Route = { method: string; path: string };

/** Every route that the relay says it has. */
export async function everyRoute({ caller }: Stage): Promise<Route[]> {
  const { body } = await caller.call("GET", "/openapi.json");
  const { paths } = JSON.parse(String(body)) as Described;
  return Object.entries(paths).flatMap(([path, methods]) =>
    Object.keys(methods).map((method) => ({ method: method.toUpperCase(), path })),
  );
}

/** Whether a call was one of that route, and of no other that is spelled out. */
export function isOf(route: Route, routes: Route[], call: { method: string; path: string }): boolean {
  const path = call.path.split("?")[0]!;
  const fits = (one: Route) =>
    one.method === call.method && new RegExp(`^${one.path.replace(/\{\w+\}/g, "[^/]+")}$`).test(path);
  const [first] = routes.filter(fits).sort((a, b) => a.path.split("{").length - b.path.split("{").length);
  return first === route;
}

let addresses = 0;
/** Each failure from an address of its own, or the brake would answer all but the first. */
export const fromElsewhere = () => {
  const number = addresses++;
  return { "x-test-address": `10.9.${number >> 8}.${number & 255}` };
};

/** Every route for those who have nothing to seek there, with every secret they may have got hold of. */
export async function strangers(stage: Stage, routes: Route[], ids: Record<string, string>, weak: Key): Promise<void> {
  const { caller, admin, server } = stage;
  const fileToken = server.fake.accounts.issue("file", "superuser", 180);
  const forged = caller.keep("relay key", `brk_${randomBytes(31).toString("hex")}`);
  const wrongAdmin = caller.keep("relay ADMIN_TOKEN, wrong", randomBytes(24).toString("base64url"));
  const bad = [undefined, fileToken, `Bearer ${forged}`, wrongAdmin, `${weak.key.slice(0, -1)}!`];
  const basic = `Basic ${Buffer.from(`admin:${admin}`).toString("base64")}`;
  const ask = async ({ method, path }: Route) => {
    const filled = path
      .replace("{key}", "kept.zip")
      .replace("{name}", "demo")
      .replace("{id}", ids[path.split("/")[2]!] ?? "none");
    for (const auth of [...bad, basic]) await caller.call(method, filled, { auth, headers: fromElsewhere() });
    if (path.startsWith("/v1/")) {
      const query = new URLSearchParams({ nonsense: fileToken, token: weak.key, password: server.fake.password });
      await caller.call(method, `${filled}?${query}`, { auth: admin, headers: { "relay-instance": "demo" } });
      const broken = { "content-type": "application/json", "relay-instance": "demo" };
      const body = `"${fileToken}" ${server.fake.password}`;
      if (method !== "GET" && method !== "DELETE")
        await caller.call(method, filled, { auth: admin, headers: broken, body });
    }
    if (!["GET", "HEAD"].includes(method)) await caller.call(method, filled, { auth: weak.key });
  };
  for (let at = 0; at < routes.length; at += 8) await Promise.all(routes.slice(at, at + 8).map(ask));
  for (const path of [
    "/",
    "/api",
    "/api/collections",
    "/v1",
    "/v2/keys",
    `/_/?token=${fileToken}`,
    "/api/logs",
    "//",
    "/%",
  ])
    for (const auth of [undefined, admin, weak.key])
      for (const method of ["GET", "POST", "OPTIONS", "PATCH"])
        await caller.call(method, path, { auth, headers: { origin: "https://example.com", ...fromElsewhere() } });
}
