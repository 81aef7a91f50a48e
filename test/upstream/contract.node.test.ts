import { startFake } from "../harness/fake/server.ts";
import { startPocketBase } from "../harness/pocketbase.ts";
import { type ContractServer, contract } from "./contract.ts";

const json = { "Content-Type": "application/json" };

async function post(url: string, body: unknown, token = ""): Promise<{ token: string }> {
  const answer = await fetch(url, {
    method: "POST",
    headers: { ...json, Authorization: token },
    body: JSON.stringify(body),
  });
  if (!answer.ok) throw new Error(`${answer.status} ${await answer.text()}`);
  return (await answer.json()) as { token: string };
}

async function real(version: string, line: ContractServer["line"]): Promise<ContractServer> {
  const server = await startPocketBase({ version });
  const user = { email: "user@example.com", password: crypto.randomUUID() };
  const users = `${server.url}/api/collections/users`;
  await post(`${users}/records`, { ...user, passwordConfirm: user.password }, await server.token());
  return {
    ...server,
    line,
    patience: 1500,
    fetch: (url, init) => fetch(url, init),
    async userTokens() {
      const { token: auth } = await post(`${users}/auth-with-password`, {
        identity: user.email,
        password: user.password,
      });
      return { auth, file: (await post(`${server.url}/api/files/token`, {}, auth)).token };
    },
  };
}

async function fake(version: "0.40.6" | "0.39.11", line: ContractServer["line"]): Promise<ContractServer> {
  const { url, fake: it, stop } = await startFake({ version, pace: { restoreDelay: 50, log: 100 } });
  return {
    url,
    line,
    patience: 100,
    email: it.email,
    password: it.password,
    fetch: (address, init) => fetch(address, init),
    userTokens: async () => ({
      auth: it.accounts.issue("auth", "user", 3600),
      file: it.accounts.issue("file", "user", 180),
    }),
    stop,
  };
}

contract("PocketBase 0.40.6", () => real("0.40.6", "0.40"));
contract("PocketBase 0.39.11", () => real("0.39.11", "0.39"));
contract("the fake as 0.40.6 over HTTP", () => fake("0.40.6", "0.40"));
contract("the fake as 0.39.11 over HTTP", () => fake("0.39.11", "0.39"));
