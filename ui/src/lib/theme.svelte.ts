// Dark or light: the system's choice until the person makes one, which is remembered.

import { recall, remember } from "./memory";

export type Theme = "dark" | "light";

const KEY = "backbeat.theme";
const DRAWN_WITHIN_MS = 800;
const system = matchMedia("(prefers-color-scheme: light)");

class ThemeChoice {
  chosen = $state<Theme | null>(kept());
  fromSystem = $state<Theme>(system.matches ? "light" : "dark");
  /** paper is white */
  printing = $state(false);
  readonly current = $derived<Theme>(this.printing ? "light" : (this.chosen ?? this.fromSystem));

  constructor() {
    system.addEventListener("change", () => (this.fromSystem = system.matches ? "light" : "dark"));
  }

  /** Print, once all charts are drawn for paper. */
  async print(): Promise<void> {
    this.printing = true;
    await new Promise((drawn) => setTimeout(drawn, DRAWN_WITHIN_MS));
    print();
    this.printing = false;
  }

  toggle(): void {
    this.chosen = this.current === "dark" ? "light" : "dark";
    remember(KEY, this.chosen);
  }
}

function kept(): Theme | null {
  const text = recall(KEY);
  return text === "dark" || text === "light" ? text : null;
}

export const theme = new ThemeChoice();
