// Lists that are shown again and again: what is there stays the same element, so that focus and place are kept.

/** Make the children of `parent` those of `items`, by `keyOf(item)`; `make(item)` once, `update(element, item)` each time. */
export function showKeyed(parent, items, { keyOf, make, update = () => {} }) {
  const before = new Map([...parent.children].map((element) => [element.dataset.key, element]));
  items.forEach((item, at) => {
    const key = String(keyOf(item));
    const element = before.get(key) ?? make(item);
    before.delete(key);
    element.dataset.key = key;
    update(element, item);
    if (parent.children[at] !== element) parent.insertBefore(element, parent.children[at] ?? null);
  });
  for (const element of before.values()) element.remove();
}
