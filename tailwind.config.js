// Names for the custom properties of static/src/app.css, so that a utility class and a hand-written rule mean the same
// colour. Light and dark live in the properties, not here.
module.exports = {
  darkMode: ['selector', '[data-theme="dark"]'],
  theme: {
    colors: {
      transparent: 'transparent',
      current: 'currentColor',
      ground: 'var(--ground)',
      panel: 'var(--panel)',
      line: 'var(--line)',
      ink: 'var(--ink)',
      second: 'var(--second)',
      third: 'var(--third)',
      accent: 'var(--accent)',
      success: 'var(--success)',
      warning: 'var(--warning)',
      error: 'var(--error)',
    },
    fontFamily: {
      sans: ['system-ui', '-apple-system', 'Segoe UI', 'Roboto', 'sans-serif'],
      mono: ['ui-monospace', 'SFMono-Regular', 'Menlo', 'Consolas', 'monospace'],
    },
  },
};
