/** Why a script cannot go on: one sentence for the person at the terminal, with the way out. Never holds a secret. */
export class Refusal extends Error {}

/** Runs a script's body: a refusal ends it with its sentence and code 1, anything else is our fault and shows its stack. */
export async function runScript(body: () => Promise<number>): Promise<void> {
  try {
    process.exitCode = await body();
  } catch (error) {
    if (error instanceof Refusal) console.error(error.message);
    else console.error(error);
    process.exitCode = 1;
  }
}
