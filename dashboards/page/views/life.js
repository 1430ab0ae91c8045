// The states of a run's life in which it is over (docs/status.md).
export const OVER = ['finished', 'failed', 'cancelled', 'preempted'];
