/** A bowl of porridge, as the API returns it. */
export interface Bowl {
  id: number;
  text: string;
  created_at: string;
}

const UNITS = [
  ["day", 86_400],
  ["hour", 3_600],
  ["minute", 60],
] as const;

const relative = new Intl.RelativeTimeFormat("en", { numeric: "always" });

/** Say how long ago a moment was: "just now", "5 minutes ago". */
export function ago(moment: Date, now: Date): string {
  const seconds = (now.getTime() - moment.getTime()) / 1000;
  for (const [unit, length] of UNITS) {
    if (seconds >= length) {
      return relative.format(-Math.floor(seconds / length), unit);
    }
  }
  return "just now";
}

/** Say how many bowls there are. */
export function summary(count: number): string {
  if (count === 0) return "No bowls yet. Someone must have eaten it all up.";
  return count === 1 ? "One bowl of porridge." : `${count} bowls of porridge.`;
}
