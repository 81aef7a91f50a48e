import { Refusal } from "./refusal.ts";

/** A relay as a script talks to it. */
export type RelayAccess = { url: string; token: string; instance: string | null };
export type Answer = { status: number; body: unknown };

/** One JSON call; the answer whatever its status. Throws a `Refusal` when nothing answers. */
export async function askRelay(access: RelayAccess, method: string, path: string, body?: unknown): Promise<Answer> {
  const headers: Record<string, string> = { authorization: `Bearer ${access.token}` };
  if (access.instance) headers["relay-instance"] = access.instance;
  if (body !== undefined) headers["content-type"] = "application/json";
  let answer: Response;
  try {
    answer = await fetch(`${access.url}${path}`, {
      method,
      headers,
      body: body === undefined ? undefined : JSON.stringify(body),
      redirect: "manual",
      signal: AbortSignal.timeout(120_000),
    });
  } catch (error) {
    const cause = (error as { cause?: { code?: string } }).cause?.code;
    throw new Refusal(
      `No relay answers at ${access.url}${cause ? ` (${cause})` : ""}: is it running, and is the address right?`,
    );
  }
  const text = await answer.text();
  try {
    return { status: answer.status, body: text === "" ? null : JSON.parse(text) };
  } catch {
    return { status: answer.status, body: null };
  }
}

/** What the relay answered to a refused call: message, refused fields, hint. */
export function relayWords({ status, body }: Answer): string {
  const { message, hint, data } = (body ?? {}) as {
    message?: string;
    hint?: string;
    data?: Record<string, { message?: string }>;
  };
  const fields = Object.entries(data ?? {}).map(([name, field]) => `${name}: ${field?.message ?? "refused"}`);
  return [message ?? `it answers ${status}`, ...fields, hint].filter(Boolean).join(" ");
}

/** The same call where only success will do. */
export async function callRelay<T>(access: RelayAccess, method: string, path: string, body?: unknown): Promise<T> {
  const answer = await askRelay(access, method, path, body);
  if (answer.status >= 300)
    throw new Refusal(`The relay refused ${method} ${path.split("?")[0]}: ${relayWords(answer)}`);
  return answer.body as T;
}
