/** Forebay, the library: file records from process memory or Redis, the database behind them, and nothing staler than the bound. */
export type { Forebay, ForebayOptions, Readiness } from './forebay.ts';
export { createForebay } from './forebay.ts';
export type { FollowingTierOptions } from './following-tier.ts';
export { createFollowingTier } from './following-tier.ts';
export type { Changed, FileReads, Files, FileTargets, ReadOptions, Written } from './files/files.ts';
export type { Attributes, FileId, FileInfo, FileMeta, FilePatch, NewFile } from './files/records.ts';
export { fileId } from './files/records.ts';
export type { Isolation, WriteCondition } from './files/store.ts';
export type { WarmOutcome, WarmProgress, WarmReport, WarmRunOptions } from './cache/warming.ts';
export type { WarmMode } from './warm-start.ts';
export type { FileTransaction, TransactionOptions, TransactionReads, TransactionResult } from './files/transactions.ts';
export * from './cache/index.ts';
export type { ErrorCode } from './core/errors.ts';
export type { Logger } from './core/logger.ts';
