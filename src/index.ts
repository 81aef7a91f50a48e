import { DurableObject } from "cloudflare:workers";
export class Directory extends DurableObject {}
export class Instance extends DurableObject {}
export default { fetch: () => new Response("relay") } satisfies ExportedHandler;
