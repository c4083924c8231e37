// Where in a query an error is, from the server's words: `1:7: parse error: …`, columns counted in bytes.

export interface Mistake {
  /** half-open, in characters of the query */
  from: number;
  to: number;
  message: string;
}

const PLACE = /(?:^|: )(\d+):(\d+): (?:parse error: )?([^\n]*)/;

export function mistakeIn(query: string, error: string): Mistake | null {
  const found = PLACE.exec(error);
  if (!found) return null;
  const lines = query.split("\n");
  const line = Math.min(Number(found[1]), lines.length);
  const before = lines.slice(0, line - 1).reduce((sum, one) => sum + one.length + 1, 0);
  const from = Math.min(before + charactersIn(lines[line - 1] ?? "", Number(found[2]) - 1), query.length);
  const word = /^[\w:.]+|^\S/.exec(query.slice(from))?.[0] ?? "";
  // At the end of the query there is nothing to underline but its last character.
  const [start, end] = word ? [from, from + word.length] : [Math.max(0, query.trimEnd().length - 1), query.length];
  return { from: start, to: end, message: sentence(found[3] ?? error) };
}

/** The error with its hint, without what the editor shows anyway: the line of the query, and the caret under it. */
export function reasonOf(error: string): string {
  const found = PLACE.exec(error);
  const lines = error.split("\n");
  const hint = lines.slice(1).find((line) => line.startsWith("did you mean "));
  const reason = found ? `Line ${found[1]}, column ${found[2]}: ${found[3]}` : (lines[0] ?? error);
  return hint ? `${reason}; ${hint}` : reason;
}

function charactersIn(line: string, bytes: number): number {
  const encoder = new TextEncoder();
  let [count, seen] = [0, 0];
  for (const character of line) {
    if (seen >= bytes) break;
    seen += encoder.encode(character).length;
    count += character.length;
  }
  return count;
}

function sentence(text: string): string {
  return text.charAt(0).toUpperCase() + text.slice(1);
}
