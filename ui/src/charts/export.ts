// A chart to take along: as a picture, as a table, as its queries.

import type { Lines } from "./lines";

/** A table with a time column (RFC 3339) and a column a line. */
export function csvOf(lines: Lines): string {
  const head = ["time", ...lines.lines.map((line) => line.name)];
  const rows = lines.times.map((time, cell) => [new Date(time * 1000).toISOString(), ...lines.lines.map((line) => String(line.values[cell] ?? ""))]);
  return csvText([head, ...rows]);
}

/** Rows of cells, quoted where they must be. */
export function csvText(rows: readonly (readonly string[])[]): string {
  const quoted = (text: string): string => (/[",\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text);
  return rows.map((row) => row.map(quoted).join(",")).join("\n") + "\n";
}

export interface Picture {
  canvas: HTMLCanvasElement;
  title: string;
  value: string;
  names: readonly { name: string; color: string }[];
  paper: string;
  ink: string;
  soft: string;
  font: string;
}

const MARGIN = 16;
const HEAD = 34;
const FOOT = 26;

/** The chart with its title above and its names below, on its paper. */
export function pictureOf(picture: Picture): HTMLCanvasElement {
  const scale = devicePixelRatio;
  const drawn = document.createElement("canvas");
  drawn.width = picture.canvas.width + 2 * MARGIN * scale;
  drawn.height = picture.canvas.height + (HEAD + FOOT + MARGIN) * scale;
  const to = drawn.getContext("2d");
  if (!to) return drawn;
  to.fillStyle = picture.paper;
  to.fillRect(0, 0, drawn.width, drawn.height);
  to.drawImage(picture.canvas, MARGIN * scale, HEAD * scale);
  to.scale(scale, scale);
  to.fillStyle = picture.ink;
  to.font = `600 14px ${picture.font}`;
  to.fillText(picture.title, MARGIN, 23);
  to.textAlign = "right";
  to.fillText(picture.value, drawn.width / scale - MARGIN, 23);
  to.textAlign = "left";
  to.font = `12px ${picture.font}`;
  let x = MARGIN;
  const y = drawn.height / scale - FOOT + 8;
  for (const { name, color } of picture.names) {
    to.fillStyle = color;
    to.fillRect(x, y - 5, 10, 3);
    to.fillStyle = picture.soft;
    to.fillText(name, x + 15, y);
    x += to.measureText(name).width + 32;
  }
  return drawn;
}

/** Copy a picture, or save it where the browser does not let pages copy pictures. Returns what was done. */
export async function copyPicture(picture: Picture): Promise<string> {
  const blob = await new Promise<Blob | null>((done) => pictureOf(picture).toBlob(done, "image/png"));
  if (!blob) return "The browser made no picture";
  try {
    await navigator.clipboard.write([new ClipboardItem({ "image/png": blob })]);
    return "Picture copied";
  } catch {
    save(blob, `${picture.title}.png`);
    return "Picture saved";
  }
}

export async function copyText(text: string, what: string, name: string): Promise<string> {
  try {
    await navigator.clipboard.writeText(text);
    return `${what} copied`;
  } catch {
    save(new Blob([text], { type: "text/plain" }), name);
    return `${what} saved`;
  }
}

function save(blob: Blob, name: string): void {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(blob);
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 1000);
}
