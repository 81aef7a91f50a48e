import { expect, it } from "vitest";
import { systemClock } from "../../src/base/clock.ts";
import { systemSleep } from "../../src/base/sleep.ts";
import { attempt, type Net } from "../../src/endpoints/attempt.ts";
import { Deadlines } from "../../src/endpoints/deadlines.ts";
import { type AddressPolicy, readAddress } from "../../src/webhooks/address.ts";
import { dnsOverHttps } from "../../src/webhooks/resolver.ts";

const policy: AddressPolicy = { privateNetwork: "none", own: [], ports: [] };
const RESOLVER = "https://dns.example/query";

/** A receiver and a resolver whose answers change from one look-up to the next, as an attacker's name server's do. */
function network(answers: { A: string[]; AAAA: string[] }[], ttl = 0) {
  const sent: string[] = [];
  let round = -1;
  const fetch = async (url: string): Promise<Response> => {
    if (!url.startsWith(RESOLVER)) {
      sent.push(url);
      return new Response(null, { status: 204 });
    }
    const type = new URL(url).searchParams.get("type") as "A" | "AAAA";
    if (type === "A") round++;
    const data = answers[Math.min(round, answers.length - 1)]![type];
    return Response.json({
      Status: 0,
      TC: false,
      Question: [{ name: "hooks.acme.dev", type: type === "A" ? 1 : 28 }],
      Answer: data.map((address) => ({ name: "hooks.acme.dev", type: type === "A" ? 1 : 28, TTL: ttl, data: address })),
    });
  };
  const net: Net = {
    fetch,
    reach: null,
    resolve: dnsOverHttps(RESOLVER, fetch, systemClock),
    policy,
    clock: systemClock,
    deadlines: new Deadlines(systemClock, systemSleep),
  };
  const send = async (url = "https://hooks.acme.dev/x") => {
    const address = readAddress(url, policy);
    if (!address.ok) throw new Error(address.error.message);
    return attempt(
      net,
      { url, method: "POST", headers: {}, body: "{}" },
      { address: address.value, secrets: [], captureBody: false },
    );
  };
  return { send, sent };
}

it("looks a name up before each attempt, and sends nothing once it leads inside", async () => {
  const inside = { A: ["127.0.0.1"], AAAA: [] };
  const { send, sent } = network([{ A: ["93.184.215.14"], AAAA: [] }, inside]);
  expect((await send()).status).toBe(204);
  const refused = await send();
  expect(refused).toMatchObject({ status: null, snippet: null, reason: { kind: "address" } });
  expect(sent).toHaveLength(1);
});

it.each([
  ["one address of several is private", { A: ["93.184.215.14", "10.0.0.7"], AAAA: [] }, "address"],
  ["the second kind of record leads inside", { A: ["93.184.215.14"], AAAA: ["::1"] }, "address"],
  ["an address is a metadata service's", { A: ["169.254.169.254"], AAAA: [] }, "address"],
  ["there is none", { A: [], AAAA: [] }, "dns"],
])("sends nothing where %s", async (_why, answer, kind) => {
  const { send, sent } = network([answer]);
  expect((await send()).reason?.kind).toBe(kind);
  expect(sent).toEqual([]);
});

it("believes an answer for as long as its TTL says, and asks again after that", async () => {
  const { send, sent } = network(
    [
      { A: ["93.184.215.14"], AAAA: [] },
      { A: ["10.0.0.1"], AAAA: [] },
    ],
    30,
  );
  await send();
  expect((await send()).status).toBe(204);
  expect(sent).toHaveLength(2);
});
