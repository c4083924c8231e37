// Dark or light: the system's choice until the person makes one, which is remembered.

export type Theme = "dark" | "light";

const KEY = "backbeat.theme";
const system = matchMedia("(prefers-color-scheme: light)");

class ThemeChoice {
  chosen = $state<Theme | null>(read());
  fromSystem = $state<Theme>(system.matches ? "light" : "dark");
  readonly current = $derived<Theme>(this.chosen ?? this.fromSystem);

  constructor() {
    system.addEventListener("change", () => (this.fromSystem = system.matches ? "light" : "dark"));
  }

  toggle(): void {
    this.chosen = this.current === "dark" ? "light" : "dark";
    try {
      localStorage.setItem(KEY, this.chosen);
    } catch {
      // A browser without storage forgets the choice; nothing else is lost.
    }
  }
}

function read(): Theme | null {
  try {
    const kept = localStorage.getItem(KEY);
    return kept === "dark" || kept === "light" ? kept : null;
  } catch {
    return null;
  }
}

export const theme = new ThemeChoice();
