/** The style of the page. Text on its ground has a contrast of 7:1 or more, and what is drawn of 3:1 or more, light and dark: a test computes it. */
export const REPORT_COLOURS = Object.freeze({
  light: {
    ground: '#ffffff',
    text: '#1b1f24',
    quiet: '#4a5058',
    grid: '#d0d5db',
    local: '#0b6e99',
    remote: '#9a5b00',
    source: '#a3244f',
    other: '#5c6166',
  },
  dark: {
    ground: '#14171a',
    text: '#eceff2',
    quiet: '#b4bbc3',
    grid: '#3a4149',
    local: '#58b9e0',
    remote: '#e0a24a',
    source: '#f07fa5',
    other: '#a0a7ae',
  },
});

const variables = (colours: (typeof REPORT_COLOURS)['light']): string =>
  Object.entries(colours)
    .map(([name, value]) => `--${name}:${value}`)
    .join(';');

export const REPORT_STYLE = `
:root{${variables(REPORT_COLOURS.light)}}
@media (prefers-color-scheme:dark){:root{${variables(REPORT_COLOURS.dark)}}}
body{margin:0;background:var(--ground);color:var(--text);font:16px/1.5 system-ui,sans-serif}
main{max-width:860px;margin:0 auto;padding:24px 16px 64px}
h1{font-size:1.6rem;margin:0}
h2{font-size:1.15rem;margin:40px 0 8px}
.span,figcaption,th[scope=col]{color:var(--quiet)}
ul{padding-left:20px}
figure{margin:0}
svg{display:block;width:100%;height:auto}
svg.bar{width:160px;height:10px}
.scroll{overflow-x:auto}
table{border-collapse:collapse;width:100%}
th,td{text-align:left;font-weight:400;padding:4px 16px 4px 0;border-bottom:1px solid var(--grid);font-variant-numeric:tabular-nums}
th[scope=row]{overflow-wrap:anywhere}
code{font:0.85em ui-monospace,monospace}
.grid{stroke:var(--grid)}
.tick{fill:var(--quiet);font-size:12px}
.end{text-anchor:end}
.middle{text-anchor:middle}
.now{stroke:var(--quiet);stroke-dasharray:4 4}
.curve{fill:none;stroke:var(--local);stroke-width:2.5}
.best{fill:none;stroke:var(--remote);stroke-width:3}
.measured{fill:var(--source)}
.track{fill:var(--grid)}
rect.local{fill:var(--local)}
rect.remote{fill:var(--remote)}
rect.source{fill:var(--source)}
rect.other{fill:var(--other)}
@media print{h2{break-after:avoid}}
`;
