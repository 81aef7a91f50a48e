/** The lines of PocketBase that a fake can speak; upstream-samples: 0.39 and BosBase end JSON with a newline. */
export type FakeVersion = "0.40.6" | "0.39.11" | "0.22.27" | "bosbase";

const texts = {
  E401: [401, "The request requires valid record authorization token."],
  E403: [403, "The authorized record is not allowed to perform this action."],
  E403IP: [403, "You are not allowed to perform this request."],
  E403DL: [403, "Insufficient permissions to access the resource."],
  E403SU: [403, "Only superusers can perform this action."],
  E404: [404, "The requested resource wasn't found."],
  E404F: [404, "File not found."],
  E413: [413, "Request entity too large."],
  E429: [429, "Too Many Requests."],
  EGEN: [400, "Something went wrong while processing your request."],
  ELOCK: [400, "Try again later - another backup/restore process has already been started."],
  ELOAD: [400, "An error occurred while loading the submitted data."],
  ECREATE: [400, "Failed to create backup."],
  EUPLOAD: [400, "Failed to upload backup."],
  EUSED: [400, "The backup is currently being used and cannot be deleted."],
  EMISS: [400, "Missing or invalid backup file."],
  ELOGIN: [400, "Failed to authenticate."],
} as const satisfies Record<string, readonly [number, string]>;

export type ErrorName = keyof typeof texts;

const oldTexts: Partial<Record<ErrorName, string>> = {
  E401: "The request requires valid admin authorization token to be set.",
  E403: "The request requires valid admin authorization token to be set.",
  E404: "Not Found.",
  E404F: "Not Found.",
};

export const names = {
  length: {
    code: "validation_length_out_of_range",
    message: "The length must be between 1 and 150.",
    params: { max: 150, min: 1 },
  },
  format: { code: "validation_match_invalid", message: "Must be in a valid format." },
  exists: { code: "validation_backup_name_exists", message: "The backup file name is invalid or already exists." },
  required: { code: "validation_required", message: "Cannot be blank." },
  fileExists: { code: "validation_backup_name_exists", message: "Backup file with the specified name already exists." },
};

/** Builds answers as one version of the server writes them, by the server's clock. */
export class Replies {
  readonly version: FakeVersion;
  private readonly now: () => number;

  constructor(version: FakeVersion, now: () => number) {
    this.version = version;
    this.now = now;
  }

  get old(): boolean {
    return this.version === "0.22.27";
  }

  base(): Headers {
    const headers = new Headers({ Vary: "Origin", "X-Content-Type-Options": "nosniff" });
    if (this.version === "0.40.6") headers.set("Cross-Origin-Opener-Policy", "same-origin");
    headers.set("X-Frame-Options", "SAMEORIGIN");
    headers.set("X-Xss-Protection", "1; mode=block");
    headers.set("Date", new Date(this.now()).toUTCString());
    return headers;
  }

  json(status: number, value: unknown): Response {
    return this.text(status, JSON.stringify(value) + (this.version === "0.40.6" ? "" : "\n"));
  }

  text(status: number, body: string): Response {
    const headers = this.base();
    headers.set("Content-Type", this.old ? "application/json; charset=UTF-8" : "application/json");
    headers.set("Content-Length", String(new TextEncoder().encode(body).length));
    return new Response(body, { status, headers });
  }

  none(): Response {
    return new Response(null, { status: 204, headers: this.base() });
  }

  error(name: ErrorName, message?: string): Response {
    const [status, text] = texts[name];
    return this.raw(
      this.old && name === "E403" ? 401 : status,
      message ?? (this.old ? (oldTexts[name] ?? text) : text),
    );
  }

  raw(status: number, message: string, data: unknown = {}): Response {
    return this.json(status, this.old ? { code: status, message, data } : { data, message, status });
  }

  invalid(data: Record<string, unknown>): Response {
    const message = this.old ? texts.EGEN[1] : "An error occurred while validating the submitted data.";
    return this.raw(400, message, data);
  }

  html(status: number): Response {
    const body = `<!DOCTYPE html><html><head><title>${status}</title></head><body><center>${status}</center><hr>proxy</body></html>`;
    return new Response(body, {
      status,
      headers: {
        "Content-Type": "text/html; charset=UTF-8",
        Date: new Date(this.now()).toUTCString(),
        Server: "cloudflare",
        "CF-Ray": "8f0000000000-FRA",
      },
    });
  }
}
