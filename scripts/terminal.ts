import { createInterface } from "node:readline/promises";

/** Whether there is a terminal to ask on. */
export const onTerminal = (): boolean => process.stdin.isTTY === true && process.stderr.isTTY === true;

/** Asks on the terminal; Ctrl-C there is Ctrl-C for the whole script. */
export async function ask(question: string): Promise<string> {
  const terminal = createInterface({ input: process.stdin, output: process.stderr });
  terminal.on("SIGINT", () => process.kill(process.pid, "SIGINT"));
  try {
    return (await terminal.question(question)).trim();
  } finally {
    terminal.close();
  }
}

/** The same without showing what is typed. */
export function askHidden(question: string): Promise<string> {
  const { stdin } = process;
  process.stderr.write(question);
  stdin.setRawMode(true);
  stdin.resume();
  stdin.setEncoding("utf8");
  return new Promise((resolve) => {
    let typed = "";
    const close = () => {
      stdin.off("data", read);
      stdin.setRawMode(false);
      stdin.pause();
      process.stderr.write("\n");
    };
    const read = (text: string) => {
      for (const character of text) {
        if (character === "\u0003") {
          // The promise stays open, because the script ends.
          close();
          process.kill(process.pid, "SIGINT");
          return;
        }
        if (character === "\r" || character === "\n" || character === "\u0004") {
          close();
          resolve(typed);
          return;
        }
        typed = character === "\u007f" || character === "\b" ? typed.slice(0, -1) : typed + character;
      }
    };
    stdin.on("data", read);
  });
}

/** A question whose answer is no unless it is yes. Without a terminal it is no. */
export async function confirm(question: string): Promise<boolean> {
  return onTerminal() && /^y(es)?$/i.test(await ask(`${question} [y/N] `));
}
