// Numbers as people read them.

const UNITS = ["B", "KB", "MB", "GB", "TB", "PB"];
const DECIMAL = new Intl.NumberFormat("en", { maximumFractionDigits: 0 });

export function formatCount(n) {
  return DECIMAL.format(n);
}

/** "1 token", "2 tokens" */
export function plural(n, word, words = `${word}s`) {
  return `${formatCount(n)} ${n === 1 ? word : words}`;
}

/** Three digits, decimal units: "2.19 GB". */
export function formatBytes(n) {
  let unit = 0;
  let value = n;
  for (; value >= 999.5 && unit + 1 < UNITS.length; ++unit) value /= 1000;
  return `${unit === 0 ? Math.round(value) : threeDigits(value)} ${UNITS[unit]}`;
}

/** "25.2B" parameters. */
export function formatParameters(n) {
  if (n >= 1e9) return `${threeDigits(n / 1e9)}B`;
  return n >= 1e6 ? `${threeDigits(n / 1e6)}M` : formatCount(n);
}

export function threeDigits(x) {
  if (!Number.isFinite(x)) return "–";
  const digits = Math.abs(x) >= 99.95 ? 0 : Math.abs(x) >= 9.995 ? 1 : 2;
  return x.toFixed(digits);
}

export function formatRate(tokensPerSecond) {
  return Number.isFinite(tokensPerSecond) && tokensPerSecond > 0 ? threeDigits(tokensPerSecond) : "–";
}

/** "350 ms", "4.2 s", "3 min 10 s" */
export function formatDuration(ms) {
  if (!Number.isFinite(ms)) return "–";
  if (ms < 1) return `${threeDigits(ms)} ms`;
  if (ms < 999.5) return `${ms < 9.95 ? ms.toFixed(1) : Math.round(ms)} ms`;
  const seconds = ms / 1000;
  if (seconds < 59.95) return `${seconds.toFixed(1)} s`;
  const minutes = Math.floor(Math.round(seconds) / 60);
  if (minutes < 60) return `${minutes} min ${Math.round(seconds) % 60} s`;
  const hours = Math.floor(minutes / 60);
  return hours < 48 ? `${hours} h ${minutes % 60} min` : `${Math.floor(hours / 24)} days`;
}

/** "0–63", "5" */
export function formatRange([first, last]) {
  return first === last ? `${first}` : `${first}–${last}`;
}

const DAY = 86_400_000;

/** In which group of a list something belongs that was last touched at `time`. */
export function dayGroup(time, now = Date.now()) {
  const midnight = new Date(now).setHours(0, 0, 0, 0);
  if (time >= midnight) return "Today";
  if (time >= midnight - DAY) return "Yesterday";
  if (time >= midnight - 6 * DAY) return "This week";
  return time >= midnight - 30 * DAY ? "This month" : "Older";
}
