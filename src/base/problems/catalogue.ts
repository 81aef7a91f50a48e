/** By code: the HTTP status, the public message and a hint that says what to do. */
export type Catalogue = Record<string, { status: number; message: string; hint: string }>;
