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

export function opOf(matcher: Pick<Matcher, "isRegex" | "isEqual">): string {
  return (matcher.isEqual ? "=" : "!") + (matcher.isRegex ? "~" : matcher.isEqual ? "" : "=");
}

/** As alertmanager.yml and the API write one. */
export function matcherText(matcher: Matcher): string {
  return `${matcher.name}${opOf(matcher)}${JSON.stringify(matcher.value)}`;
}

/** A matcher for each label: an alert's own labels, or a group's. */
export function matchersOf(labels: Readonly<Record<string, string>>): Matcher[] {
  return Object.entries(labels).map(([name, value]) => ({ name, value, isRegex: false, isEqual: true }));
}
