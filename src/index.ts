import { buildApp } from "./app.ts";
import type { Bindings } from "./bindings.ts";
import { directoryOf } from "./directory/stub.ts";

export { Directory } from "./directory/directory.ts";
export { Endpoint } from "./endpoints/endpoint.ts";
export { Instance } from "./instances/instance.ts";

const app = buildApp();

export default {
  fetch: app.fetch,
  async scheduled(_controller, env) {
    await directoryOf(env).reconcileAll();
  },
} satisfies ExportedHandler<Bindings>;
