import { expect, it } from "vitest";
import { dropInRows } from "../../src/api/routes.ts";
import type { RouteAccess } from "../../src/edge/route-access.ts";
import { type CommandName, policies } from "../../src/instances/commands.ts";
import { v1Routes } from "../../src/v1/routes.ts";
import { call } from "../harness/worker.ts";

type Row = RouteAccess & { method: string; path: string; head?: string };
const rows: Row[] = [...dropInRows, ...v1Routes.map(({ row }) => row)];
const title = ({ method, path }: Row): string => `${method} ${path}`;
const commandsOf = (row: Row): CommandName[] => [...("command" in row ? [row.command] : []), ...(row.alsoAsks ?? [])];

it("every command stands in the row of a route", () => {
  // Asked by the edge itself, before the body of any route is read.
  const named = new Set<CommandName>(["caller.ask", ...rows.flatMap(commandsOf)]);
  expect(Object.keys(policies).filter((command) => !named.has(command as CommandName))).toEqual([]);
});

it("no route asks what needs another right than its row says", () => {
  for (const row of rows) {
    const allowed = "command" in row ? policies[row.command].scope : row.access === "public" ? null : "admin";
    for (const command of commandsOf(row)) expect(policies[command].scope, `${title(row)}: ${command}`).toBe(allowed);
  }
});

it("the document shows every route with the scope of its command's policy", async () => {
  const { paths } = (await call("/openapi.json", { as: null })).json;
  const shown = Object.entries(
    paths as Record<string, Record<string, { "x-scope": unknown; security: unknown[] }>>,
  ).flatMap(([path, methods]) =>
    Object.entries(methods).map(([method, operation]) => [`${method} ${path}` as string, operation] as const),
  );
  const expected = rows.flatMap((row) => [title(row), ...(row.head ? [`head ${row.path}`] : [])]);
  expect(shown.map(([name]) => name).toSorted()).toEqual(expected.toSorted());
  const operations = new Map(shown);
  for (const row of rows) {
    const scope = "command" in row ? policies[row.command].scope : row.access;
    for (const name of [title(row), ...(row.head ? [`head ${row.path}`] : [])]) {
      expect(operations.get(name)!["x-scope"], name).toBe(scope);
      expect(operations.get(name)!.security, name).toEqual(scope === "public" ? [] : [{ bearer: [] }]);
    }
  }
});
