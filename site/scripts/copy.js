/** A button on each snippet that copies it. */

export function addCopyButtons() {
  for (const code of document.querySelectorAll("pre > code")) {
    const button = document.createElement("button");
    button.type = "button";
    button.className = "copy";
    button.textContent = "Copy";
    button.setAttribute("aria-label", "Copy this snippet");
    button.addEventListener("click", async () => {
      try {
        await navigator.clipboard.writeText((code.textContent ?? "").trimEnd());
        button.textContent = "Copied";
      } catch {
        // Not allowed, as on pages without https: select it, so that the keyboard's own copy takes it.
        getSelection()?.selectAllChildren(code);
        button.textContent = "Selected";
      }
      setTimeout(() => (button.textContent = "Copy"), 2000);
    });
    code.after(button);
    if (code instanceof HTMLElement) code.tabIndex = 0; // it may scroll
  }
}
