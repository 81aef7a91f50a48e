export const root: string;
export function isInstalled(lockText: string, installedText: string | null): boolean;
export function installProblem(words: string, registry: string): string;
export function bootstrap(script: string, args: string[]): Promise<void>;
