// Elements. Whatever comes from data is set as text, never as markup.

export const $ = (id) => document.getElementById(id);

// el("li", { class: "x" }, "text", child, …)
export function el(tag, attributes = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value === undefined || value === null || value === false) continue;
    if (name === "style") Object.assign(made.style, value);
    else if (name.startsWith("on")) made.addEventListener(name.slice(2), value);
    else made.setAttribute(name, value === true ? "" : value);
  }
  made.append(...children.filter((c) => c !== null && c !== undefined));
  return made;
}

export function svg(tag, attributes = {}, ...children) {
  const made = document.createElementNS("http://www.w3.org/2000/svg", tag);
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
  made.append(...children);
  return made;
}

// Set a text only where it differs: the browser has less to lay out.
export function text(element, value) {
  if (element.textContent !== value) element.textContent = value;
}

export function flag(element, name, value) {
  if (value === null || value === undefined || value === false) element.removeAttribute(name);
  else if (element.getAttribute(name) !== String(value)) element.setAttribute(name, value);
}

// Keep one child a key, in the order of items: make(item) once, then change(child, item, place).
export function each(list, items, keyOf, make, change) {
  const had = new Map([...list.children].map((c) => [c.dataset.key, c]));
  items.forEach((item, place) => {
    const key = String(keyOf(item));
    let child = had.get(key);
    if (!child) { child = make(item); child.dataset.key = key; }
    had.delete(key);
    if (list.children[place] !== child) {
      const active = document.activeElement;
      list.insertBefore(child, list.children[place] ?? null);
      if (child.contains(active)) active.focus();
    }
    change(child, item, place);
  });
  for (const gone of had.values()) gone.remove();
}

export function nothing(list, note, empty, words) {
  list.hidden = empty;
  note.hidden = !empty;
  if (empty) text(note, words);
}
