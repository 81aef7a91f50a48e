import { readFlags } from "../scripts/flags.ts";
import { Refusal } from "../scripts/refusal.ts";

export type BenchOptions = {
  /** Names of parts, in the order they run; empty: all. */
  parts: string[];
  /** Pairs per comparison. */
  rounds: number;
  /** Seconds of load per subject and round. */
  seconds: number;
  /** Of the file that is moved. */
  bytes: number;
  /** Folder of another checkout whose relay is a peer of the part `versions`; null: that part is left out. */
  against: string | null;
};

const MIB = 1024 * 1024;

const whole = (text: string, flag: string, least: number, most: number): number => {
  const value = /^\d+$/.test(text) ? Number(text) : Number.NaN;
  if (value >= least && value <= most) return value;
  throw new Refusal(`${flag} must be a whole number from ${least} to ${most}, not "${text}".`);
};

export const helpText = (known: readonly string[]): string => `
npm run bench [-- FLAGS]

Measures the built relay on raw workerd against nginx as a reverse proxy, a bare pass-through Worker and the server
directly, in one run, round by round in changing order, and prints the ratios.

  --part NAME    only this part (again for more): ${known.join(", ")}
  --rounds N     pairs per comparison (default 7)
  --against DIR  another checkout of this project, for the part versions: its relay is built there and measured beside
                 this one's
  --mebibytes N  size of the file that is moved (default 1024)
  --quick        3 short rounds and 256 MiB: whether it runs, not what it reaches
  --help         this
`;

/** Reads the flags; an unknown part is a refusal that lists the known ones. */
export function readOptions(args: string[], known: readonly string[]): BenchOptions {
  const flags = {
    part: { type: "string", multiple: true },
    rounds: { type: "string" },
    mebibytes: { type: "string" },
    quick: { type: "boolean" },
    against: { type: "string" },
  } as const;
  const { values } = readFlags(args, flags, helpText(known));
  const parts = [...new Set(values.part ?? [])];
  const unknown = parts.find((name) => !known.includes(name));
  if (unknown !== undefined) throw new Refusal(`There is no part "${unknown}": there are ${known.join(", ")}.`);
  const quick = values.quick === true;
  return {
    parts,
    rounds: values.rounds === undefined ? (quick ? 3 : 7) : whole(values.rounds, "--rounds", 1, 99),
    against: values.against ?? null,
    seconds: quick ? 0.4 : 1.5,
    bytes:
      (values.mebibytes === undefined ? (quick ? 256 : 1024) : whole(values.mebibytes, "--mebibytes", 1, 65_536)) * MIB,
  };
}
