import { problem } from "../base/problem.ts";
import { problems } from "../base/problems.ts";
import { fail, ok } from "../base/result.ts";
import type { Audit } from "./audit.ts";
import type { Handlers } from "./commands.ts";
import type { Configuration } from "./configuration.ts";
import type { Door } from "./door.ts";
import type { InstanceView } from "./instance-record.ts";
import type { Observer } from "./observer.ts";
import type { Server } from "./server.ts";

type AdminCommand = "instance.read" | "instance.change" | "instance.check" | "instance.rotateNudge" | "audit.list";
type Deps = {
  configuration: Configuration;
  server: Server;
  observer: Observer;
  audit: Audit;
  door: () => Door;
  view: () => Promise<InstanceView>;
};

/** What an administrator does to an instance as such. */
export function administrationHandlers({
  configuration,
  server,
  observer,
  door,
  view,
  audit,
}: Deps): Handlers<AdminCommand> {
  return {
    "instance.read": async () => ok(await view()),

    "instance.change": async ({ do: _do, force, ...change }) => {
      const changed = await configuration.change(change);
      if (!changed.ok) return changed;
      if (change.expect !== undefined) observer.expect(change.expect);
      server.reset();
      door().forgetTokenKeys();
      if (change.url !== undefined || change.credential !== undefined || change.headers !== undefined) {
        const checked = await server.check();
        if (checked.ok && checked.value.refusal && !force) {
          const { code, message, hint } = checked.value.refusal;
          // What was entered is kept: it may be right while the server is down; but it is said.
          return fail(
            problem("check_failed", {
              message: `Saved, but: ${message ?? problems[code].message}`,
              hint: hint ?? problems[code].hint,
            }),
          );
        }
      }
      return ok(await view());
    },

    "instance.check": async () => {
      const checked = await server.check();
      return checked.ok ? ok(checked.value.check) : checked;
    },

    "instance.rotateNudge": async () => {
      const { id, tag } = configuration.own;
      return ok({ place: { id, tag }, secret: await configuration.rotateNudge() });
    },

    "audit.list": ({ do: _do, ...request }) => {
      const page = audit.list(request);
      const cursor = { code: "validation_invalid_value", message: "This is no cursor of this list." };
      return page ? ok(page) : fail(problem("invalid_request", { data: { cursor } }));
    },
  };
}
