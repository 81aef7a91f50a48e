import fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
  backupKeyIn,
  checkBackupKey,
  checkNewName,
  decodeBackupKey,
  generatedBackupName,
  isCreatableName,
  isReservedName,
} from "../../src/access/backup-name.ts";

const told = (raw: string) => {
  const decoded = decodeBackupKey(raw);
  return decoded.ok ? decoded.value : decoded.error.code;
};

describe("the key of a backup in a path", () => {
  it("is decoded exactly once", () => {
    for (const [raw, key] of [
      ["x.zip", "x.zip"],
      ["%40auto_pb_backup_acme_1.zip", "@auto_pb_backup_acme_1.zip"],
      ["@auto.zip", "@auto.zip"],
      ["My%20Backup%20(1).ZIP", "My Backup (1).ZIP"],
      ["a+b.zip", "a+b.zip"],
      ["%25", "%"],
      ["%252e%252e", "%2e%2e"],
      ["%252F", "%2F"],
      ["%C3%A9%20%E6%97%A5.zip", "é 日.zip"],
      ["...", "..."],
      ["x.attrs.zip", "x.attrs.zip"],
    ]) {
      expect(decodeBackupKey(raw!)).toEqual({ ok: true, value: key });
    }
  });

  it("is refused before any address is built when it would lead elsewhere", () => {
    for (const raw of [".", "..", "%2e", "%2e%2e", "%2E.", ".%2e", ".attrs", "x.zip.attrs", "x%2eattrs"]) {
      expect([raw, told(raw)]).toEqual([raw, "backup_name_refused"]);
    }
    for (const raw of ["", "a/b", "a%2Fb", "%2f", "a%5Cb", "a\\b", "%00", "a%0Ab", "%7f", "%C2%85", "..%2Fdata.db"]) {
      expect([raw, told(raw)]).toEqual([raw, "not_found"]);
    }
  });

  it("is read from the address as it was sent, which `URL` would fold into another call's", () => {
    const told = (path: string) => backupKeyIn(`https://relay.example${path}`);
    expect(told("/api/backups/x%20y.zip?token=a/b/c")).toEqual({ ok: true, value: "x y.zip" });
    expect(told("/api/backups/x.zip/restore")).toEqual({ ok: true, value: "x.zip" });
    expect(told("/api/backups/x#y")).toEqual({ ok: true, value: "x" });
    for (const path of ["/api/backups/./restore", "/api/backups/%2e%2e/restore", "/api/backups/..", "/v1/backups/%2E"])
      expect(told(path)).toMatchObject({ ok: false, error: { code: "backup_name_refused" } });
    for (const path of ["/api/backups/", "/api/backups", ""])
      expect(told(path)).toMatchObject({ ok: false, error: { code: "not_found" } });
  });

  it("is refused when it is not UTF-8 or over 1024 bytes", () => {
    for (const raw of ["%", "%zz", "%ff", "%C3", "%ED%A0%80", "%C0%AE", "\ud800"]) {
      expect([raw, told(raw)]).toEqual([raw, "backup_name_refused"]);
    }
    expect(told("x".repeat(1024))).toBe("x".repeat(1024));
    expect(told("x".repeat(1025))).toBe("backup_name_refused");
    expect(told("%C3%A9".repeat(512))).toBe("é".repeat(512));
    expect(told("%C3%A9".repeat(513))).toBe("backup_name_refused");
    expect(told("x".repeat(1_000_000))).toBe("backup_name_refused");
  });

  it("comes back whole for every name that may exist", () => {
    fc.assert(
      fc.property(fc.string({ unit: "grapheme", minLength: 1, maxLength: 80 }), (name) => {
        const decoded = decodeBackupKey(encodeURIComponent(name));
        expect(decoded).toEqual(checkBackupKey(name));
        if (decoded.ok) expect(decoded.value).toBe(name);
      }),
    );
  });
});

describe("a name to create", () => {
  const data = (name: string) => {
    const checked = isCreatableName(name);
    return checked.ok ? "ok" : [checked.error.code, checked.error.data?.name];
  };
  const tooLong = [
    "invalid_request",
    {
      code: "validation_length_out_of_range",
      message: "The length must be between 1 and 150.",
      params: { max: 150, min: 1 },
    },
  ];
  const mismatch = ["invalid_request", { code: "validation_match_invalid", message: "Must be in a valid format." }];

  it("follows PocketBase's pattern and is refused in its words", () => {
    for (const name of ["a.zip", "nightly-2026_11.zip", `${"a".repeat(146)}.zip`]) expect(data(name)).toBe("ok");
    for (const name of [
      "!test.zip",
      "A.zip",
      "a.ZIP",
      "a",
      ".zip",
      "a.zip\n",
      "a b.zip",
      "@a.zip",
      "é.zip",
      "../a.zip",
    ]) {
      expect([name, data(name)]).toEqual([name, mismatch]);
    }
  });

  it("has 1 to 150 bytes, and length is judged first", () => {
    for (const name of ["", `${"a".repeat(147)}.zip`, "é".repeat(76)]) expect(data(name)).toEqual(tooLong);
    expect(data("é".repeat(75))).toEqual(mismatch);
  });

  it("is one that the server lists as it is", () => {
    for (const name of [
      "__0x40__auto_pb_backup_zz0.zip",
      "__0x70__rod.zip",
      "pre__0x5F__restore.zip",
      "___0x2e__zip.zip",
    ])
      expect([name, checkNewName(name)]).toMatchObject([name, { error: { code: "backup_name_refused" } }]);
    for (const name of ["__0X40__a.zip", "A__0x__.zip", "a__0x-1__.zip"]) expect(checkNewName(name).ok).toBe(false);
    for (const name of ["__0x40__auto_pb_backup_zz0.zip", "pre__0x5f__restore.zip"])
      expect(isCreatableName(name)).toMatchObject({ error: { code: "backup_name_refused" } });
    for (const name of ["a__0x40_.zip", "a_0x40__.zip", "0x40.zip", "x__0y40__.zip"])
      expect(checkNewName(name).ok).toBe(true);
    expect(checkBackupKey("__0x40__listed.zip").ok, "a file in S3 may be called so").toBe(true);
  });

  it("that somebody's pruning goes by is reserved", () => {
    for (const name of ["@auto_pb_backup_x.zip", "@update_v1.zip", "pre_restore_1.zip"])
      expect(isReservedName(name)).toBe(true);
    for (const name of ["auto_pb_backup_x.zip", "x@update_v1.zip", "pre_restore.zip", "x.zip"]) {
      expect(isReservedName(name)).toBe(false);
    }
  });
});

describe("a generated name", () => {
  it("is PocketBase's own", () => {
    const at = Date.UTC(2026, 10, 2, 3, 4, 5, 999);
    for (const [app, name] of [
      ["acme", "pb_backup_acme_20261102030405.zip"],
      ["Acme", "pb_backup_acme_20261102030405.zip"],
      ["myTestDB", "pb_backup_my_test_db_20261102030405.zip"],
      ["  My--App__2 ", "pb_backup_my_app_2_20261102030405.zip"],
      ["ABBRApp", "pb_backup_abbrapp_20261102030405.zip"],
      ["Größe 日本", "pb_backup_gr_e_20261102030405.zip"],
      ["x".repeat(80), `pb_backup_${"x".repeat(50)}_20261102030405.zip`],
      ["", "pb_backup__20261102030405.zip"],
      [null, "pb_backup__20261102030405.zip"],
    ] as const) {
      expect(generatedBackupName(app, at)).toBe(name);
    }
  });

  it("can always be created", () => {
    fc.assert(
      fc.property(fc.string({ unit: "binary" }), fc.integer({ min: 0, max: 4e12 }), (app, at) => {
        expect(isCreatableName(generatedBackupName(app, at)).ok).toBe(true);
      }),
    );
  });
});
