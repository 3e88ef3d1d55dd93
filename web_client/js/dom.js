// Builds elements from data. Text only ever becomes a text node, so what a stranger said can never become markup.

/**
 * Make an element. `props`: `class`, `text`, `on<Event>` listeners, everything else an attribute
 * (`true` is an empty attribute; `false`, `null` and `undefined` are left out).
 */
export function h(tag, props = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(props)) {
    if (value === false || value === null || value === undefined) continue;
    if (name === 'text') element.textContent = value;
    else if (name.startsWith('on')) element.addEventListener(name.slice(2).toLowerCase(), value);
    else element.setAttribute(name, value === true ? '' : value);
  }
  element.append(...children.filter((child) => child !== null && child !== undefined));
  return element;
}

/** An icon drawn by us: one or more path definitions on a 24-unit square, coloured like the text beside it. */
export function icon(...paths) {
  const svg = document.createElementNS('http://www.w3.org/2000/svg', 'svg');
  svg.setAttribute('viewBox', '0 0 24 24');
  svg.setAttribute('aria-hidden', 'true');
  svg.setAttribute('class', 'icon');
  for (const d of paths) {
    const path = document.createElementNS('http://www.w3.org/2000/svg', 'path');
    path.setAttribute('d', d);
    svg.append(path);
  }
  return svg;
}

export const ICONS = {
  microphone: ['M12 3a3 3 0 0 0-3 3v6a3 3 0 0 0 6 0V6a3 3 0 0 0-3-3Z', 'M6 11v1a6 6 0 0 0 12 0v-1', 'M12 18v3'],
  stop: ['M7 7h10v10H7Z'],
  play: ['M8 5.5v13l11-6.5Z'],
  pause: ['M8 6v12', 'M16 6v12'],
  download: ['M12 4v11', 'M7 11l5 5 5-5', 'M5 20h14'],
  down: ['M6 9l6 6 6-6'],
  muted: ['M9 9v3a3 3 0 0 0 5.1 2.1', 'M15 11V6a3 3 0 0 0-5.7-1.3', 'M6 11v1a6 6 0 0 0 9.6 4.8', 'M18 12v-1', 'M12 18v3', 'M4 4l16 16'],
  leave: ['M14 4h5v16h-5', 'M4 12h10', 'M10 8l4 4-4 4'],
  who: ['M12 12a4 4 0 1 0 0-8 4 4 0 0 0 0 8Z', 'M4 20a8 8 0 0 1 11-7.4', 'M14.5 20.5l.5-2.5 4.5-4.5 2 2-4.5 4.5Z'],
  link: ['M10 14a4 4 0 0 0 5.7 0l3-3a4 4 0 0 0-5.7-5.7l-1 1', 'M14 10a4 4 0 0 0-5.7 0l-3 3a4 4 0 0 0 5.7 5.7l1-1'],
  ear: ['M7 9a5 5 0 0 1 10 0c0 4-4 4.500-4 7.500a2.500 2.500 0 0 1-4.500 1.500', 'M10 9a2 2 0 0 1 4 0c0 1.500-1.500 2-1.500 3.500'],
};

/** Hide or show without touching layout rules: the stylesheet says what `hidden` means. */
export function show(element, visible) {
  element.hidden = !visible;
  return element;
}

/** A phrase for screen readers only. */
export function spoken(text) {
  return h('span', { class: 'visually-hidden', text });
}

export const reducedMotion = () => matchMedia('(prefers-reduced-motion: reduce)').matches;
