import type { Random } from "../base/random.ts";
import type { Ending, Operation } from "./operation.ts";
import type { Work } from "./work.ts";

/** One kind of operation, a row of `kinds.ts`: all that the engine and the store know about it. */
// biome-ignore lint/suspicious/noExplicitAny: the engine carries a kind's data and input without looking into them.
export type OperationKind<Data extends object | null = any, Input = any> = {
  /** Does the work, goes on with it after a kill, and stays until it is known what became of it. */
  run: (work: Work<Data>) => Promise<Ending>;
  /** True when the work takes the server's own lock: then it waits in line, and others that need the lock wait for it. */
  needsServer: boolean;
  /** What the observer will find of the target when the work succeeded; null when nothing. */
  change: "made" | "deleted" | null;
  /** Removes what an ended run may have left on the server; null when it leaves nothing. */
  cleanUp: CleanUp<Data> | null;
  /** What the work has to remember from one step to the next and over a kill, made from the request. */
  data: (input: Input, at: { now: number; random: Random }) => Data;
};

export type CleanUp<Data extends object | null> = {
  /** Whether an ended operation may have left something. */
  isDue: (operation: Operation<Data>) => boolean;
  /** The operation's data once nothing is left; null when that is for a later try. */
  run: (api: Work["api"], operation: Operation<Data>) => Promise<Data | null>;
};

/** Kinds by name. A row stored by a newer relay may be of a kind that is not among them. */
export type OperationKinds = { readonly [name: string]: OperationKind };

/** A kind that is not known waits in line like most do, and ends there with an error. */
export const needsServer = (kinds: OperationKinds, { kind }: Operation): boolean => kinds[kind]?.needsServer ?? true;

/** Whether the work may change what the server lists or how it answers, so that it is looked at more often meanwhile. */
export const affectsServer = (kinds: OperationKinds, operation: Operation): boolean =>
  needsServer(kinds, operation) || kinds[operation.kind]?.change !== null;
