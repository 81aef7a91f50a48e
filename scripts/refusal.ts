/** Why a script cannot go on: one sentence for the person at the terminal, with what to do. Never holds a secret. */
export class Refusal extends Error {}

/**
 * Runs a script's body: a refusal ends it with its sentence and code 1, any other error is a bug and shows its stack.
 */
export async function runScript(body: () => Promise<number>): Promise<void> {
  try {
    process.exitCode = await body();
  } catch (error) {
    if (error instanceof Refusal) console.error(error.message);
    else console.error(error);
    process.exitCode = 1;
  }
}
