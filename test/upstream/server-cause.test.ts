import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { causeIn, knownCause } from "../../src/upstream/server-cause.ts";

describe("a cause that the server logged", () => {
  it.each([
    [
      "failed to move the current pb_data content: rename /pb/pb_data/storage /pb/x: device or resource busy",
      "mounted",
    ],
    ["write /srv/pb/pb_data/.pb_temp_to_delete/x: no space left on device", "disk_full"],
    ["write C:\\pb\\x: There is not enough space on the disk.", "disk_full"],
    ["rename /a /b: invalid cross-device link", "other_disk"],
    ["open /srv/pb/pb_data/backups/a.zip: read-only file system", "read_only"],
    ["mkdir /srv/pb/pb_data/.pb_temp_to_delete: permission denied", "no_permission"],
    ["rename a b: The process cannot access the file because it is being used by another process.", "windows"],
    ["restart is not supported on windows", "windows"],
    ["open /x: file name too long", "name_too_long"],
    ["open /x: too many open files", "open_files"],
    ["read /x: input/output error", "disk_error"],
    ["disk I/O error (522)", "disk_error"],
    ["database disk image is malformed (11)", "database_damaged"],
    ["database is locked (5) (SQLITE_BUSY)", "database_locked"],
    ["404 NoSuchBucket: The specified bucket does not exist\n(RAW: <?xml …>)", "no_bucket"],
    ["put https://s3.example.com/bucket: AccessDenied", "bucket_refused"],
    ['Put "http://127.0.0.1:1/bk/a.zip": dial tcp 127.0.0.1:1: connect: connection refused', "bucket_unreachable"],
    ['Put "https://s3.example.com/bk/a.zip": EOF', "bucket_failed"],
    ["context deadline exceeded", "timed_out"],
    ["data.db file is missing or invalid: stat /x/data.db: no such file or directory", "database_missing"],
    ["zip: checksum error", "damaged"],
    ["try again later - another backup/restore operation has already been started", "busy"],
  ])("is told in our words, with the way out: %s", (text, code) => {
    const cause = causeIn(text);
    expect(cause).toEqual(knownCause(text));
    expect(cause.code).toBe(code);
    expect(cause.message).toMatch(/^[A-Z].*\.$/);
    expect(cause.hint).toMatch(/^[A-Z].*[.)]$/);
  });

  it.each([
    ["rename /srv/pb/a /srv/pb/b: file exists", "The server's log says: file exists."],
    ["sql: no rows in result set", "The server's log says: no rows in result set."],
    [
      "GoError: nightly window is closed. at /pb/pb_hooks/a.pb.js:3:15(4)",
      "The server's log says: nightly window is closed. at ….",
    ],
    ["unexpected status 403: goodbye", "The server's log says: unexpected status 403."],
    ["/srv/pb/pb_data/storage", "The cause stands in the server's log."],
    ["", "The cause stands in the server's log."],
  ])("and when it is unknown by its last clause: %s", (text, message) => {
    expect(causeIn(text).message).toBe(message);
  });

  it.each([
    "could not log in with password hunter two",
    "wrong api key correct horse battery staple",
    "refused for eyJhbGciOiJIUzI1NiJ9.eyJpZCI6IjEifQ.c2lnbmF0dXJl",
    "https://user:pass@db.internal/x?token=abc is no good",
    "open the door of C:\\Users\\ann\\pb_data or //share/x",
    "mail from ann@example.com and 10.1.2.3 was lost",
    "\u202egpj\u0000 \u001b[31m <b>bold</b> `code` @everyone here",
    "AKIAIOSFODNN7EXAMPLE wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY is not known",
  ])("shows neither paths nor names nor secrets nor control characters: %j", (text) => {
    const { message } = causeIn(`failed: ${text}`);
    expect(message).not.toMatch(
      /hunter|horse|eyJ|internal|abc|ann|share|example\.com|10\.|\u202e|[\u0000-\u001f]|[<`@\\]|AKIA|wJal/,
    );
  });

  it("is short and plain, whatever was logged", () => {
    fc.assert(
      fc.property(fc.string({ unit: "binary", maxLength: 600 }), (text) => {
        const { message } = causeIn(text);
        expect(message.length).toBeLessThanOrEqual(300);
        expect(message).not.toMatch(/[\u0000-\u001f\u007f-\u009f\u200b-\u202e/\\<>@`]/);
      }),
      { numRuns: 200, seed: 7 },
    );
  });
});
