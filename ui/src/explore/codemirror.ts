// The PromQL editor: fetched only when the Explore page is open. Completion asks the server's own API, and what is
// wrong is said by the server's own parser.

import {
  acceptCompletion,
  autocompletion,
  closeBrackets,
  closeBracketsKeymap,
  closeCompletion,
  completionStatus,
  selectedCompletion,
} from "@codemirror/autocomplete";
import { defaultKeymap, history, historyKeymap, insertNewline } from "@codemirror/commands";
import { bracketMatching, HighlightStyle, syntaxHighlighting } from "@codemirror/language";
import { linter, lintKeymap, type Diagnostic } from "@codemirror/lint";
import { EditorState, Prec } from "@codemirror/state";
import { EditorView, keymap, placeholder } from "@codemirror/view";
import { tags } from "@lezer/highlight";
import { PromQLExtension } from "@prometheus-io/codemirror-promql";
import { wrongIn } from "../api/explain";
import { mistakeIn } from "./place";

export interface EditorWishes {
  parent: HTMLElement;
  text: string;
  label: string;
  onchange: (text: string) => void;
  onrun: () => void;
}

export interface Editor {
  set(text: string): void;
  select(from: number, to: number): void;
  focus(): void;
  destroy(): void;
}

const COLORS = HighlightStyle.define([
  { tag: tags.name, color: "var(--ink)" },
  { tag: [tags.function(tags.variableName), tags.keyword], color: "var(--accent)" },
  { tag: [tags.labelName], color: "var(--info)" },
  { tag: [tags.string], color: "var(--good)" },
  { tag: [tags.number], color: "var(--warning)" },
  { tag: [tags.operator, tags.modifier], color: "var(--accent)" },
  { tag: tags.comment, color: "var(--faint)", fontStyle: "italic" },
]);

const LOOK = EditorView.theme({
  "&": { backgroundColor: "transparent", color: "var(--ink)", fontSize: "var(--t-s)" },
  "&.cm-focused": { outline: "none" },
  ".cm-content": { fontFamily: "var(--mono)", padding: "0.45rem 0", caretColor: "var(--ink)", minHeight: "1.2rem" },
  ".cm-line": { padding: "0 0.6rem" },
  ".cm-cursor": { borderLeftColor: "var(--ink)" },
  ".cm-placeholder": { color: "var(--faint)" },
  "&.cm-focused .cm-selectionBackground, .cm-selectionBackground, .cm-content ::selection": {
    backgroundColor: "color-mix(in srgb, var(--accent) 30%, transparent) !important",
  },
  ".cm-matchingBracket, &.cm-focused .cm-matchingBracket": { backgroundColor: "var(--accent-tint)", outline: "1px solid var(--accent)" },
  ".cm-tooltip": { border: "1px solid var(--line)", borderRadius: "var(--r-s)", backgroundColor: "var(--card)", color: "var(--ink)", boxShadow: "0 0.5rem 1.5rem var(--shade)", maxWidth: "calc(100vw - 1rem)" },
  ".cm-tooltip.cm-tooltip-autocomplete > ul": { fontFamily: "var(--mono)", maxHeight: "18rem", maxWidth: "calc(100vw - 1.5rem)" },
  ".cm-tooltip.cm-tooltip-autocomplete > ul > li": { padding: "0.15rem 0.5rem", lineHeight: "1.5" },
  ".cm-tooltip-autocomplete ul li[aria-selected]": { backgroundColor: "var(--accent-tint)", color: "var(--ink)" },
  ".cm-completionDetail": { color: "var(--soft)", fontStyle: "normal", marginLeft: "1rem" },
  ".cm-completionMatchedText": { textDecoration: "none", fontWeight: "700", color: "var(--accent)" },
  ".cm-completionInfo": { padding: "0.4rem 0.6rem", maxWidth: "22rem", fontFamily: "var(--font)" },
  ".cm-diagnostic": { padding: "0.35rem 0.6rem", fontFamily: "var(--font)" },
  ".cm-diagnostic-error": { borderLeft: "3px solid var(--critical)" },
});

async function mistakes(view: EditorView): Promise<Diagnostic[]> {
  const text = view.state.doc.toString();
  if (!text.trim()) return [];
  const found = mistakeIn(text, await wrongIn(text));
  return found ? [{ ...found, severity: "error" }] : [];
}

export function createEditor({ parent, text, label, onchange, onrun }: EditorWishes): Editor {
  const promql = new PromQLExtension().activateLinter(false).setComplete({
    remote: { url: "", httpMethod: "GET" },
  });
  const run = (editor: EditorView): boolean => {
    closeCompletion(editor);
    onrun();
    return true;
  };
  /** Enter takes the completion of a word that was begun; what is complete is run, whatever could follow it. */
  const enter = (editor: EditorView): boolean => {
    const chosen = completionStatus(editor.state) === "active" ? selectedCompletion(editor.state) : null;
    const { head } = editor.state.selection.main;
    const begun = /[\w:.]*$/.exec(editor.state.sliceDoc(0, head))?.[0] ?? "";
    return chosen && begun && chosen.label !== begun ? acceptCompletion(editor) : run(editor);
  };
  const view = new EditorView({
    parent,
    state: EditorState.create({
      doc: text,
      extensions: [
        history(),
        closeBrackets(),
        bracketMatching(),
        autocompletion({ icons: false }),
        promql.asExtension(),
        linter(mistakes, { delay: 350 }),
        EditorView.lineWrapping,
        placeholder("PromQL, for example rate(http_requests_total[5m])"),
        EditorView.contentAttributes.of({ "aria-label": label, autocapitalize: "off", spellcheck: "false" }),
        // Tab is left to the page, so that the keyboard gets out again.
        Prec.highest(keymap.of([{ key: "Enter", run: enter }, { key: "Shift-Enter", run: insertNewline }, { key: "Mod-Enter", run }])),
        keymap.of([...closeBracketsKeymap, ...defaultKeymap, ...historyKeymap, ...lintKeymap]),
        EditorView.updateListener.of((update) => {
          if (update.docChanged) onchange(update.state.doc.toString());
        }),
        syntaxHighlighting(COLORS),
        LOOK,
      ],
    }),
  });
  return {
    set: (wanted) => {
      const now = view.state.doc.toString();
      if (now !== wanted) view.dispatch({ changes: { from: 0, to: now.length, insert: wanted } });
    },
    select: (from, to) => view.dispatch({ selection: { anchor: from, head: to }, scrollIntoView: true }),
    focus: () => view.focus(),
    destroy: () => {
      promql.destroy();
      view.destroy();
    },
  };
}
