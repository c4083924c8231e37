// Matchers as messages write them: {alertname="X", job="y"}.

export interface Matcher {
  name: string;
  value: string;
  isRegex: boolean;
  isEqual: boolean;
}

export function parseMatchers(text: string): Matcher[] {
  return [...text.matchAll(/([\w.:-]+)\s*(=~|!~|!=|=)\s*("(?:[^"\\]|\\.)*")/g)].map((found) => {
    const op = found[2] ?? "=";
    let value = found[3] ?? '""';
    try {
      value = JSON.parse(value) as string;
    } catch {
      value = value.slice(1, -1);
    }
    return { name: found[1] ?? "", value, isRegex: op.endsWith("~"), isEqual: op.startsWith("=") };
  });
}
