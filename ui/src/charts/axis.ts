// Times along an axis and under the cursor, in the chosen zone. Formatters are kept: making one costs more than using it.

const formatters = new Map<string, Intl.DateTimeFormat>();

function formatter(zone: string | undefined, options: Intl.DateTimeFormatOptions): Intl.DateTimeFormat {
  const key = `${zone ?? ""} ${JSON.stringify(options)}`;
  let made = formatters.get(key);
  if (!made) {
    made = new Intl.DateTimeFormat(undefined, { ...options, hour12: false, ...(zone ? { timeZone: zone } : {}) });
    formatters.set(key, made);
  }
  return made;
}

const CLOCK: Intl.DateTimeFormatOptions = { hour: "2-digit", minute: "2-digit" };
const DAY: Intl.DateTimeFormatOptions = { month: "short", day: "numeric" };

/** One text a mark: the clock, and the day where a new one begins. */
export function axisTimes(splits: readonly number[], zone: string | undefined): string[] {
  const gap = (splits[1] ?? Infinity) - (splits[0] ?? 0);
  const clock = formatter(zone, gap < 60 ? { ...CLOCK, second: "2-digit" } : CLOCK);
  const day = formatter(zone, DAY);
  return splits.map((seconds) => {
    const moment = new Date(seconds * 1000);
    const text = clock.format(moment);
    return (gap >= 86400 && gap < Infinity) || text === "00:00" ? day.format(moment) : text;
  });
}

const CHARACTER_REM = 0.42;

/** The texts with those left empty that would reach into the axis at the left or out of the picture; places and width in rem. */
export function fitting(texts: readonly string[], places: readonly number[], width: number, left: number, right: number): string[] {
  return texts.map((text, index) => {
    const half = (text.length * CHARACTER_REM) / 2;
    const at = places[index] ?? 0;
    return at - half < -left || at + half > width + right ? "" : text;
  });
}

/** A moment to the second, with its day. */
export function cursorTime(seconds: number, zone: string | undefined): string {
  return formatter(zone, { ...DAY, ...CLOCK, second: "2-digit" }).format(new Date(seconds * 1000));
}
