// dom.js - the few helpers the page builds itself with.  Text always goes in as text, never as markup.

export const $ = (id) => document.getElementById(id);

/** el('td', {class: 'num', 'data-label': 'Rows'}, 'text' or nodes…) */
export function el(name, attributes = {}, ...children) {
  const node = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) {
    if (value === undefined || value === null || value === false) continue;
    if (key === 'onclick') node.addEventListener('click', value);
    else node.setAttribute(key, value === true ? '' : value);
  }
  node.append(...children.filter((child) => child !== null && child !== undefined));
  return node;
}

/** Changes the text only when it differs, so that selections and screen readers are left alone. */
export function say(node, text) {
  if (node.textContent !== text) node.textContent = text;
}

/** A state as a shape and a word; the tone only adds colour. */
const marks = { good: '●', busy: '◐', warn: '▲', bad: '■', idle: '○' };

export function state(tone, word) {
  return el('span', { class: 'state', 'data-tone': tone }, el('span', { class: 'mark', 'aria-hidden': 'true' }, marks[tone]), word);
}

export function setPill(node, tone, text) {
  node.dataset.tone = tone;
  const mark = node.querySelector('.mark') ?? node.appendChild(el('span', { class: 'mark', 'aria-hidden': 'true' }));
  const words = node.querySelector('.pill-text') ?? node.appendChild(el('span', { class: 'pill-text' }));
  say(mark, marks[tone]);
  say(words, text);
}

export { marks };
