import { buildApp } from "./app.ts";
import type { Bindings } from "./bindings.ts";

export { Directory } from "./instances/directory.ts";
export { Instance } from "./instances/instance.ts";
export { Endpoint } from "./webhooks/endpoint.ts";

const app = buildApp();

export default {
  fetch: app.fetch,
  async scheduled(_controller, env) {
    await env.DIRECTORY.getByName("directory").patrol();
  },
} satisfies ExportedHandler<Bindings>;
