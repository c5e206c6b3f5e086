// wait.js - waiting for conditions, never for time.

const POLL_MS = 20;

/** Calls `condition` until it gives something truthy, and returns that. */
export async function until(what, condition, timeoutMs = 15000) {
  const end = Date.now() + timeoutMs;
  let last;
  for (;;) {
    try {
      last = await condition();
      if (last) return last;
    } catch (error) {
      last = error;
    }
    if (Date.now() > end) {
      const seen = last instanceof Error ? last.stack : JSON.stringify(last);
      throw new Error(`waited ${timeoutMs} ms for ${what}; last seen: ${seen}`);
    }
    await new Promise((resolve) => setTimeout(resolve, POLL_MS));
  }
}

/** The promise, or an error that says what took too long. */
export function within(what, promise, timeoutMs = 15000) {
  let timer;
  const late = new Promise((_, reject) => {
    timer = setTimeout(() => reject(new Error(`${what} took longer than ${timeoutMs} ms`)), timeoutMs);
  });
  return Promise.race([promise, late]).finally(() => clearTimeout(timer));
}

/** Spreads what a test sends over time; nothing may be expected to have happened after it. */
export const pace = (ms) => new Promise((resolve) => setTimeout(resolve, ms)); // pace, not a wait
