// A row that scrolls sideways fades out where there is more of it: `.more-left` and `.more-right` of app.css.

/** Attach to the element that scrolls. */
export function scrolls(row: HTMLElement): () => void {
  const look = (): void => {
    row.classList.toggle("more-left", row.scrollLeft > 1);
    row.classList.toggle("more-right", row.scrollLeft + row.clientWidth < row.scrollWidth - 1);
  };
  const sizes = new ResizeObserver(look);
  const content = new MutationObserver(look);
  sizes.observe(row);
  content.observe(row, { childList: true, subtree: true, characterData: true });
  row.addEventListener("scroll", look, { passive: true });
  return () => {
    sizes.disconnect();
    content.disconnect();
    row.removeEventListener("scroll", look);
  };
}
