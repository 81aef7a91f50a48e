import { describe, expect, it } from "vitest";
import { pythonSdk, runPython } from "../harness/conformance/python.ts";
import { conformance } from "../harness/conformance/rows.ts";
import { versions } from "../harness/conformance/sides.ts";
import { wireRows } from "../harness/conformance/wire.ts";

const python = await pythonSdk();

conformance(
  { call: "clients", missingScope: "backups:list" },
  ["elixir", "dart", "python"].flatMap((client) => wireRows(client)),
  (stageOf) => {
    describe("the Python SDK from PyPI", () => {
      for (const version of versions) {
        const name = `every call, PocketBase ${version}`;
        it.skipIf(!python.ok)(python.ok ? name : `${name}: NOT RUN, ${python.why}`, async () => {
          const stage = stageOf(version);
          const { server } = stage;
          await stage.store.reset([]);
          const direct = await runPython(python, server.url, server.email, server.password);
          expect(await stage.store.names()).toEqual(["python.zip"]);
          await stage.store.reset([]);
          const behind = await runPython(python, stage.relay.url, "anything", stage.behind.credential("S"));
          expect(await stage.store.names()).toEqual(["python.zip"]);
          expect(behind).toEqual(direct);
          expect(direct).toMatchObject({
            login: [true, expect.any(Boolean), "_superusers"],
            create: true,
            upload: true,
          });
        });
      }
    });
  },
);
