import { Refusal } from "./refusal.ts";

/** Waits for the relay's health; throws with its message when it refuses a setting. */
export async function awaitHealth(url: string): Promise<void> {
  const answer = await fetch(`${url}/v1/health`, { signal: AbortSignal.timeout(20_000) }).catch(() => null);
  if (answer?.ok) return;
  if (!answer) throw new Refusal("The relay does not work: its health does not answer.");
  const body = (await answer.json().catch(() => ({}))) as { message?: string };
  throw new Refusal(`The relay does not work: ${body.message ?? `its health answers ${answer.status}`}`);
}
