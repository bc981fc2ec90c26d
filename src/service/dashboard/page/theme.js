// Light, dark, or as the system has it; kept in this browser.

const KEY = 'forebay-theme';
/** @type {readonly ['system', 'light', 'dark']} */
const THEMES = ['system', 'light', 'dark'];
/** @typedef {(typeof THEMES)[number]} Theme */

/** @returns {Theme} */
function kept() {
  try {
    return THEMES.find((theme) => theme === localStorage.getItem(KEY)) ?? 'system';
  } catch {
    // A browser that keeps nothing.
    return 'system';
  }
}

/** @param {Theme} theme */
function keep(theme) {
  try {
    localStorage.setItem(KEY, theme);
  } catch {
    // As above.
  }
}

/** Wires the button; `onChange` is told whenever colours may have changed. @param {HTMLButtonElement} button @param {() => void} onChange */
export function wireTheme(button, onChange) {
  let theme = kept();
  const show = () => {
    document.documentElement.dataset['theme'] = theme;
    button.textContent = `Theme: ${theme}`;
    onChange();
  };
  button.addEventListener('click', () => {
    theme = THEMES[(THEMES.indexOf(theme) + 1) % THEMES.length] ?? 'system';
    keep(theme);
    show();
  });
  matchMedia('(prefers-color-scheme: dark)').addEventListener('change', onChange);
  show();
}
