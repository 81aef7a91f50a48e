import type { Target } from "./part.ts";
import { figure } from "./table.ts";

export const least = (name: string, wanted: number, reached: number): Target => ({
  name,
  wanted: `≥ ${wanted.toLocaleString("en-US")}`,
  reached: figure(reached),
  met: reached >= wanted,
});

export const most = (name: string, wanted: number, reached: number, unit = ""): Target => ({
  name,
  wanted: `≤ ${wanted}${unit}`,
  reached: `${figure(reached)}${unit}`,
  met: reached <= wanted,
});
