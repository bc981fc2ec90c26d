// Finds relative links in the Markdown files that lead nowhere: to a file that is not there, or to a heading that the file does not have.
import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs';
import path from 'node:path';
import { root } from './lib/run.mjs';

const files = [
  ...readdirSync(root).filter((name) => name.endsWith('.md')),
  ...(existsSync(path.join(root, 'docs')) ? readdirSync(path.join(root, 'docs'), { recursive: true }) : [])
    .filter((name) => name.endsWith('.md'))
    .map((name) => path.join('docs', name)),
];

const withoutCode = (text) => text.replaceAll(/^(```|~~~)[\s\S]*?^\1/gm, '').replaceAll(/`[^`\n]*`/g, 'code');

/** The anchors of a page, as the usual Markdown sites make them of its headings. */
function anchorsOf(file) {
  const anchors = new Set();
  const text = readFileSync(file, 'utf8').replaceAll(/^(```|~~~)[\s\S]*?^\1/gm, '');
  for (const [, heading] of text.matchAll(/^#{1,6}\s+(.+?)\s*#*$/gm)) {
    const words = heading.toLowerCase().replaceAll(/[^\p{L}\p{N} _-]/gu, '');
    anchors.add(words.replaceAll(' ', '-'));
  }
  for (const [, id] of text.matchAll(/<a (?:id|name)="([^"]+)"/g)) anchors.add(id);
  return anchors;
}

const dead = [];
for (const file of files) {
  const text = withoutCode(readFileSync(path.join(root, file), 'utf8'));
  for (const [, link] of text.matchAll(/\]\(<?([^)\s>]+)>?(?:\s+"[^"]*")?\)/g)) {
    if (/^[a-z][a-z0-9+.-]*:/i.test(link)) continue;
    const [target, anchor] = link.split('#');
    const at = target === '' ? path.join(root, file) : path.resolve(root, path.dirname(file), decodeURIComponent(target));
    if (!existsSync(at)) dead.push(`${file}: ${link} leads to no file`);
    else if (anchor && statSync(at).isFile() && at.endsWith('.md') && !anchorsOf(at).has(anchor))
      dead.push(`${file}: ${link} leads to no heading`);
  }
}
for (const line of dead) console.error(line);
console.log(`${files.length} pages, ${dead.length} dead links`);
process.exitCode = dead.length === 0 ? 0 : 1;
