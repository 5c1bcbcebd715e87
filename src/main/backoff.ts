/**
 * When a silo that died is started again: at once the first time, then after pauses that double, so
 * that a silo which dies at every start costs no core. Pure.
 */
export const RESTART = {
  /** Pause before the second restart in a row. */
  pauseMsMin: 250,
  pauseMsMax: 30_000,
  /** A silo that was ready for this long starts the count anew. */
  healthyMs: 60_000,
} as const;

/**
 * @param failures deaths in a row before this restart, >= 1.
 * @returns pause in ms, 0..pauseMsMax.
 */
export function restartPauseMs(failures: number): number {
  if (failures <= 1) return 0;
  // 2^20 pauses are far above the cap; the bound keeps the power finite.
  return Math.min(RESTART.pauseMsMin * 2 ** Math.min(failures - 2, 20), RESTART.pauseMsMax);
}
