import { type ParseArgsOptionsConfig, parseArgs } from "node:util";
import { Refusal } from "./refusal.ts";

/**
 * Reads a script's flags strictly: an unknown one or a missing value is a refusal that names it. `--help` prints
 * `help` and ends the script with code 0.
 */
export function readFlags<T extends ParseArgsOptionsConfig>(args: string[], options: T, help: string, free = false) {
  try {
    const { values, positionals } = parseArgs({
      args,
      options: { ...options, help: { type: "boolean", short: "h" } },
      allowPositionals: free,
      strict: true,
    });
    if ((values as { help?: boolean }).help) {
      console.log(help.trim());
      process.exit(0);
    }
    return { values, positionals };
  } catch (error) {
    const sentence = (error as Error).message.split(/[.\n]/)[0];
    throw new Refusal(`${sentence}; --help lists the flags.`);
  }
}

/** A port as typed; 0 to 65535. */
export function readPort(text: string, flag: string): number {
  const port = /^\d{1,5}$/.test(text) ? Number(text) : Number.NaN;
  if (!(port <= 65_535)) throw new Refusal(`${flag} must be a port from 0 to 65535, not "${text}".`);
  return port;
}
