import { expect, it } from "vitest";
import { multipart } from "../harness/multipart.ts";
import { anInstance, call, type TestInstance } from "../harness/worker.ts";

/** The object dies without a word while the server answers it, as soon as `now` is so. */
function dyingWhen(instance: TestInstance, now: (url: string) => boolean): () => boolean {
  const answer = instance.fake.fetch;
  let dead = false;
  const struck: typeof answer = async (input, init) => {
    const response = await answer(input, init);
    if (!dead && now(input instanceof Request ? input.url : String(input))) {
      dead = true;
      await instance.kill();
    }
    return response;
  };
  Object.assign(instance.fake, { fetch: struck });
  return () => dead;
}

const ZIP = `PK\x03\x04${"a".repeat(200)}`;
const uploads = {
  PUT: (key: string, name: string) =>
    call(`/v1/backups/${name}`, { method: "PUT", as: key, body: ZIP, headers: { "content-type": "application/zip" } }),
  POST: (key: string, filename: string) => {
    const { body, contentType } = multipart([[{ name: "file", filename }, ZIP]]);
    return call("/api/backups/upload", { as: key, body: body.toString(), headers: { "content-type": contentType } });
  },
};

for (const [method, upload] of Object.entries(uploads)) {
  it(`${method}: an object that is reset while it looks for the file is asked again, and the upload is a success`, async () => {
    const instance = await anInstance();
    const { key } = await instance.mint();
    const { fake } = instance;
    const died = dyingWhen(instance, (url) => fake.uploads.length > 0 && url.endsWith("/api/backups"));
    const stored = await upload(key, "reset.zip");
    expect([died(), stored.status, stored.json?.code]).toEqual([true, method === "PUT" ? 201 : 204, undefined]);
    fake.remove("reset.zip");
    expect((await upload(key, "reset.zip")).status).toBe(stored.status);
  });

  it(`${method}: an object that is reset before anything is sent is a 5xx, and the name is free`, async () => {
    const instance = await anInstance();
    const { key } = await instance.mint();
    const died = dyingWhen(instance, (url) => url.endsWith("/api/backups"));
    const refused = await upload(key, "reset.zip");
    expect(died()).toBe(true);
    expect(refused.status).toBeGreaterThanOrEqual(500);
    expect(refused.json.code).toBeTruthy();
    expect(instance.fake.uploads).toEqual([]);
    expect((await upload(key, "reset.zip")).status).toBe(method === "PUT" ? 201 : 204);
  });
}
